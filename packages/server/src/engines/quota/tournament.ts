/** Who comes first among many, kept while they change: a change costs as many matches as the list can be halved. */

export const NOBODY = -1

/** What a tournament asks about its players, who are numbered from 0. */
export interface Players {
  /** Looks at a player anew; false: it takes no part. */
  enter(player: number): boolean
  /** Does `a` come before `b`? Any two that take part are ordered. */
  before(a: number, b: number): boolean
}

export class Tournament {
  readonly #players: Players
  readonly #size: number
  /** The winner of each match; match n is between the winners of 2n and 2n + 1, and the last `size` are the players. */
  readonly #winners: Int32Array
  readonly #isChanged: Uint8Array
  #changed: number[] = []
  #isPlayed = false

  constructor(size: number, players: Players) {
    this.#players = players
    this.#size = size
    this.#winners = new Int32Array(2 * size)
    this.#isChanged = new Uint8Array(size)
  }

  /** To be called for whoever may stand elsewhere, or take part or not, before anybody asks who is first. */
  change(player: number): void {
    if (this.#isChanged[player] === 1) return
    this.#isChanged[player] = 1
    this.#changed.push(player)
  }

  get first(): number {
    if (this.#changed.length > 0 || !this.#isPlayed) this.#play()
    return this.#size === 0 ? NOBODY : this.#winners[1]!
  }

  /** Where many have changed, one match between any two is less than a path of matches for each. */
  #play(): void {
    const changed = this.#changed
    this.#changed = []
    for (const player of changed) this.#isChanged[player] = 0
    if (this.#isPlayed && changed.length * Math.log2(this.#size) < this.#size)
      for (const player of changed) this.#replay(player)
    else this.#playAll()
  }

  #playAll(): void {
    for (let player = 0; player < this.#size; player++) this.#enter(player)
    for (let match = this.#size - 1; match > 0; match--) this.#winners[match] = this.#winnerOf(match)
    this.#isPlayed = true
  }

  /** Up to the match that another has won before and wins again: what is above knows nothing of the player. */
  #replay(player: number): void {
    this.#enter(player)
    for (let match = (this.#size + player) >> 1; match > 0; match >>= 1) {
      const before = this.#winners[match]!,
        after = this.#winnerOf(match)
      this.#winners[match] = after
      if (before === after && after !== player) return
    }
  }

  #enter(player: number): void {
    this.#winners[this.#size + player] = this.#players.enter(player) ? player : NOBODY
  }

  #winnerOf(match: number): number {
    const a = this.#winners[2 * match]!,
      b = this.#winners[2 * match + 1]!
    if (a === NOBODY || b === NOBODY) return a === NOBODY ? b : a
    return this.#players.before(b, a) ? b : a
  }
}
