/**
 * What a sandbox uses at one moment. A field is absent where the host or the sandbox's runtime does not
 * tell; the limits beside it are in `SandboxInfo.limits`. The totals begin anew when the sandbox is
 * started again.
 */
export interface SandboxStats {
  /** When the numbers were read, by this program's clock. */
  readonly readAt: Date
  /**
   * Milliseconds of CPU time that it has used since it was started, of all cores together: two readings
   * that are a second apart and 500 apart are half of a core.
   */
  readonly cpuTime?: number | undefined
  /** Bytes of memory that it uses, without what the kernel keeps of files and can let go at once. */
  readonly memory?: number | undefined
  /** Processes and threads that there are, a few of Cordon's own among them. */
  readonly pids?: number | undefined
  /**
   * Bytes that went from and to disks since it was started. What the kernel answers from memory is not
   * among them, nor, on a host with cgroups v1, what it writes later.
   */
  readonly disk?: { readonly read: number; readonly written: number } | undefined
  /** Bytes that its network interfaces took in and gave out since it was started; loopback counts for nothing. */
  readonly network?: { readonly received: number; readonly sent: number } | undefined
}
