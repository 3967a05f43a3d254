/**
 * Finds where statements end in a text that comes line by line and is too large to be held: knows strings, quoted names,
 * dollar quotes, comments, parentheses (the actions of rules) and `begin atomic` bodies.
 */
export class StatementEnd {
  /** What the next line begins inside of: the text that closes it, or null. */
  #open: string | null = null
  #escapes = false
  #comments = 0
  #depth = 0
  #atomic = 0
  #previous = ''

  /** True when the line ends the statement that was under way. */
  feed(line: string): boolean {
    let ended = false
    let at = 0
    while (at < line.length) {
      if (this.#open !== null || this.#comments > 0) {
        at = this.#insideQuote(line, at)
        continue
      }
      TOKEN.lastIndex = at
      const token = TOKEN.exec(line)
      if (!token) {
        if (line.slice(at).trim() !== '') ended = false
        break
      }
      const [text] = token
      if (line.slice(at, token.index).trim() !== '') ended = false
      at = token.index + text.length
      if (text === '--') break
      ended = text === ';' && this.#depth <= 0 && this.#atomic === 0
      this.#take(text)
    }
    if (ended) this.#reset()
    return ended
  }

  /** What a text that ends here has left open; null when it is nothing. */
  get open(): string | null {
    if (this.#comments > 0) return 'a comment'
    return this.#open === null ? null : this.#open === "'" ? 'a string' : `a quotation (${this.#open})`
  }

  #take(text: string): void {
    if (text === '/*') this.#comments = 1
    else if (text === '(') this.#depth++
    else if (text === ')') this.#depth--
    else if (/^e?'$/i.test(text) || text === '"' || text.startsWith('$')) {
      this.#open = text.startsWith('$') || text === '"' ? text : "'"
      this.#escapes = text.length === 2 && this.#open === "'"
    } else this.#word(text.toLowerCase())
  }

  #word(word: string): void {
    if (this.#atomic > 0) {
      if (word === 'case') this.#atomic++
      if (word === 'end') this.#atomic--
    } else if (word === 'atomic' && this.#previous === 'begin') this.#atomic = 1
    this.#previous = word
  }

  /** The offset behind the end of the quotation or comment, or the line's length. */
  #insideQuote(line: string, from: number): number {
    if (this.#comments > 0) {
      COMMENT_EDGE.lastIndex = from
      const edge = COMMENT_EDGE.exec(line)
      if (!edge) return line.length
      this.#comments += edge[0] === '/*' ? 1 : -1
      return edge.index + 2
    }
    const close = this.#open ?? ''
    if (this.#escapes) {
      for (let at = from; at < line.length; at++) {
        if (line[at] === '\\') at++
        else if (line[at] === "'" && line[at + 1] === "'") at++
        else if (line[at] === "'") return this.#close(at + 1)
      }
      return line.length
    }
    // A doubled quote closes and opens again, which comes to the same.
    const at = line.indexOf(close, from)
    return at < 0 ? line.length : this.#close(at + close.length)
  }

  #close(at: number): number {
    this.#open = null
    this.#escapes = false
    return at
  }

  #reset(): void {
    this.#depth = 0
    this.#atomic = 0
    this.#previous = ''
  }
}

/** Numbers and words take the letters and dollars that cling to them: `e'` opens a string, `type'` does not. */
const TOKEN = /--|\/\*|\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|e'|[\w\u0080-\uffff][\w$\u0080-\uffff]*|['"();]/gi
const COMMENT_EDGE = /\/\*|\*\//g
