import { namesImage } from "../Policy.ts"
import type { Settings } from "../Settings.ts"
import { credentialsFor, type ImageAccess, type RegistryLogins } from "../values/Registry.ts"

/**
 * With whose credentials an image is pulled: those of its creation, else the operator's where the settings name
 * the image.
 */
export const accessTo = (
  { registryLogins, policy, pull }: Settings["Service"],
  image: string,
  given: RegistryLogins,
): ImageAccess => {
  const own = credentialsFor(given, image)
  if (own !== undefined) return { as: "creation", credentials: own, always: true }
  const always = pull === "always"
  if (!namesImage(policy, image)) return { as: "anybody", always }
  const credentials = credentialsFor(registryLogins, image)
  return { as: "operator", credentials, always }
}
