/** Says why somebody cannot go on, once for all who meet the same, and when that is over. */
export class Troubles {
  readonly #say: (text: string) => void
  readonly #of = new Map<object, string>()

  constructor(say: (text: string) => void) {
    this.#say = say
  }

  begin(who: object, trouble: string): void {
    this.#leave(who, trouble)
    if (!this.#isMet(trouble)) this.#say(`${trouble}; trying again`)
    this.#of.set(who, trouble)
  }

  end(who: object): void {
    this.#leave(who)
  }

  #leave(who: object, next?: string): void {
    const trouble = this.#of.get(who)
    if (trouble === undefined || trouble === next) return
    this.#of.delete(who)
    if (!this.#isMet(trouble)) this.#say(`over: ${trouble}`)
  }

  #isMet(trouble: string): boolean {
    return [...this.#of.values()].includes(trouble)
  }
}
