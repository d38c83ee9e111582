/** What every install step is given: a clock, a voice, and whether it may change the machine. */
import type { Clock } from '#platform/clock/clock.ts'

export interface InstallContext {
  readonly clock: Clock
  /** Prints one line for the person who waits. */
  readonly say: (line: string) => void
  /** False with `--no-install`: then a step that would install or start something refuses with instructions. */
  readonly allowInstall: boolean
  /** True when this process may install Debian packages and start daemons. */
  readonly isRoot: boolean
}

export const isRootUser = (): boolean => process.getuid?.() === 0
