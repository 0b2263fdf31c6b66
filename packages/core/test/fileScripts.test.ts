import { assert, describe, it } from "@effect/vitest"
import { fileError, fileExit } from "../src/sandbox/git/fileScripts.ts"

describe("The exit of a helper script", () => {
  it.each([
    [fileExit.denied, "", "PermissionDenied"],
    [fileExit.notDirectory, "", "NotADirectory"],
    [fileExit.failed, "", "StorageFailed"],
    [1, "cat: write error: No space left on device", "StorageFailed"],
    [2, "sh: cannot create /x: Permission denied", "PermissionDenied"],
    [1, "mv: File name too long", "InvalidPath"],
    [137, "", "StorageFailed"],
  ])("with code %s and output %j becomes %s", (exitCode, stderr, expected) => {
    assert.strictEqual(fileError("/x", exitCode, stderr)._tag, expected)
  })
})
