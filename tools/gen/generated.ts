/** What a generated file is: a path and a function that makes its text from the sources. */

export interface Generated {
  /** From the root of the repository. */
  readonly path: string
  /** The whole text; the same text for the same sources, whatever the machine and the day. */
  make(): string | Promise<string>
}
