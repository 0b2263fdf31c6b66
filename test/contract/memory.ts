import { memory } from "@cordon/driver-memory"

/** What the in-memory driver is tested with, alone and under drivers that stand on it. */
export const inMemory = () =>
  memory({ images: { "ubuntu:24.04": { "/opt/tool/readme": "from the image" } } })

export const lacks = {
  processes: "the in-memory driver has no processes, as its capabilities say",
  permissions: "the in-memory driver runs everything as root, as its capabilities say",
  specialFiles: "the in-memory driver has no special files",
  floods: "the in-memory driver's interpreter holds a command's whole output",
}
