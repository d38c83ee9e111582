/** Passwords that servers made for their owners: written from inside by the metadata service, read and cleared here. */
import { passwordDelete, passwordFetch } from '../store/server-passwords.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'

export class ServerPasswords {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** Base64 of what the server encrypted with its owner's public key; empty when there is none. */
  fetch({ id }: Server): Promise<string> { return passwordFetch(this.#parts.db, id) }

  clear({ id }: Server): Promise<void> { return passwordDelete(this.#parts.db, id) }
}
