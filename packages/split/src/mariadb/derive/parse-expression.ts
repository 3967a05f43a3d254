/** An expression as MariaDB prints it in its catalog: of defaults, checks and generated columns. */
export type Expression =
  | { readonly is: 'column'; readonly name: string }
  | { readonly is: 'number' | 'text' | 'bits'; readonly text: string }
  | { readonly is: 'null' }
  | { readonly is: 'truth'; readonly value: boolean }
  | { readonly is: 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly is: 'unary'; readonly operator: '-' | 'not'; readonly operand: Expression }
  | { readonly is: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly is: 'null test'; readonly operand: Expression; readonly not: boolean }
  | { readonly is: 'in'; readonly operand: Expression; readonly items: readonly Expression[]; readonly not: boolean }
  | {
      readonly is: 'between'
      readonly operand: Expression
      readonly low: Expression
      readonly high: Expression
      readonly not: boolean
    }
  | {
      readonly is: 'case'
      readonly subject: Expression | null
      readonly branches: readonly (readonly [when: Expression, then: Expression])[]
      readonly otherwise: Expression | null
    }

/** What PostgreSQL has no equal for, or nobody has told us the equal of. */
export class UntranslatableError extends Error {}

/** @throws UntranslatableError for anything but the small language that is understood here */
export function parseExpression(text: string): Expression {
  return new Parser(tokensOf(text)).whole()
}

interface Token {
  readonly is: 'word' | 'column' | 'number' | 'text' | 'bits' | 'sign'
  /** Words in lower case. */
  readonly text: string
}

const pattern =
  /\s+|`((?:[^`]|``)*)`|([bB])'([01]*)'|'((?:[^'\\]|''|\\[\s\S])*)'|(\d+(?:\.\d*)?(?:e[-+]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(<=>|<=|>=|<>|!=|[-+*/%(),<>=!])/gy

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  pattern.lastIndex = 0
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text)
    if (!match) throw new UntranslatableError('it is more than a simple expression')
    const [, column, bitMark, bits, literal, number, word, sign] = match
    if (column !== undefined) tokens.push({ is: 'column', text: column.replaceAll('``', '`') })
    else if (bitMark !== undefined) tokens.push({ is: 'bits', text: bits ?? '' })
    else if (literal !== undefined) tokens.push({ is: 'text', text: unescape(literal) })
    else if (number !== undefined) tokens.push({ is: 'number', text: number })
    else if (word !== undefined) tokens.push({ is: 'word', text: word.toLowerCase() })
    else if (sign !== undefined) tokens.push({ is: 'sign', text: sign })
  }
  return tokens
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', 0: '\0', Z: '\x1a' }

function unescape(literal: string): string {
  return literal.replace(/''|\\([\s\S])/g, (_, escaped?: string) =>
    escaped === undefined ? "'" : (escapes[escaped] ?? escaped),
  )
}

/** Weakest first. A comparison does not chain. */
const binaryOperators: readonly Readonly<Record<string, string>>[] = [
  { or: 'or' },
  { xor: 'xor' },
  { and: 'and' },
  { '+': '+', '-': '-' },
  { '*': '*', '/': '/', '%': 'mod', mod: 'mod', div: 'div' },
]
const predicateLevel = 3
const comparisons: Readonly<Record<string, string>> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  '<=>': '<=>',
  like: 'like',
}

class Parser {
  #at = 0
  readonly #tokens: readonly Token[]
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Expression {
    const expression = this.#binary(0)
    if (this.#at < this.#tokens.length) throw this.#refuse()
    return expression
  }

  #binary(level: number): Expression {
    if (level === predicateLevel) return this.#negation()
    return this.#chain(level, () => this.#binary(level + 1))
  }

  #chain(level: number, next: () => Expression): Expression {
    let left = next()
    for (;;) {
      const operator = this.#peekOperator(binaryOperators[level] ?? {})
      if (operator === undefined) return left
      this.#at++
      left = { is: 'binary', operator, left, right: next() }
    }
  }

  #negation(): Expression {
    if (this.#accept('not')) return { is: 'unary', operator: 'not', operand: this.#negation() }
    return this.#predicate()
  }

  #predicate(): Expression {
    const operand = this.#sum()
    if (this.#accept('is')) {
      const not = this.#accept('not')
      this.#expect('null')
      return { is: 'null test', operand, not }
    }
    const not = this.#accept('not')
    if (this.#accept('in')) {
      this.#expect('(')
      return { is: 'in', operand, items: this.#list(), not }
    }
    if (this.#accept('between')) {
      const low = this.#sum()
      this.#expect('and')
      return { is: 'between', operand, low, high: this.#sum(), not }
    }
    const operator = this.#peekOperator(comparisons)
    if (operator === undefined) {
      if (not) throw this.#refuse()
      return operand
    }
    this.#at++
    const compared: Expression = { is: 'binary', operator, left: operand, right: this.#sum() }
    return not ? { is: 'unary', operator: 'not', operand: compared } : compared
  }

  #sum(): Expression {
    return this.#chain(predicateLevel, () => this.#chain(predicateLevel + 1, () => this.#unary()))
  }

  #unary(): Expression {
    if (this.#accept('-')) return { is: 'unary', operator: '-', operand: this.#unary() }
    if (this.#accept('!')) return { is: 'unary', operator: 'not', operand: this.#unary() }
    return this.#primary()
  }

  #primary(): Expression {
    const token = this.#tokens[this.#at++]
    if (!token) throw this.#refuse()
    switch (token.is) {
      case 'column':
        return { is: 'column', name: token.text }
      case 'number':
      case 'text':
      case 'bits':
        return { is: token.is, text: token.text }
      case 'sign': {
        if (token.text !== '(') throw this.#refuse()
        const inside = this.#binary(0)
        this.#expect(')')
        return inside
      }
      default:
        return this.#word(token.text)
    }
  }

  #word(word: string): Expression {
    if (word === 'null') return { is: 'null' }
    if (word === 'true' || word === 'false') return { is: 'truth', value: word === 'true' }
    if (word === 'case') return this.#case()
    if (!this.#accept('(')) throw new UntranslatableError(`'${word}' is not understood`)
    return { is: 'call', name: word, args: this.#list() }
  }

  #case(): Expression {
    const subject = this.#peek('when') ? null : this.#binary(0)
    const branches: [Expression, Expression][] = []
    while (this.#accept('when')) {
      const when = this.#binary(0)
      this.#expect('then')
      branches.push([when, this.#binary(0)])
    }
    const otherwise = this.#accept('else') ? this.#binary(0) : null
    this.#expect('end')
    return { is: 'case', subject, branches, otherwise }
  }

  /** The rest of a list, behind its opening parenthesis. */
  #list(): Expression[] {
    const items: Expression[] = []
    if (this.#accept(')')) return items
    do items.push(this.#binary(0))
    while (this.#accept(','))
    this.#expect(')')
    return items
  }

  #peek(text: string): boolean {
    const token = this.#tokens[this.#at]
    return (token?.is === 'word' || token?.is === 'sign') && token.text === text
  }

  #peekOperator(operators: Readonly<Record<string, string>>): string | undefined {
    const token = this.#tokens[this.#at]
    if (token?.is !== 'word' && token?.is !== 'sign') return undefined
    return Object.hasOwn(operators, token.text) ? operators[token.text] : undefined
  }

  #accept(text: string): boolean {
    const found = this.#peek(text)
    if (found) this.#at++
    return found
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw this.#refuse()
  }

  #refuse(): UntranslatableError {
    const token = this.#tokens[this.#at]
    return new UntranslatableError(
      token === undefined ? 'it is more than a simple expression' : `'${token.text}' is not understood`,
    )
  }
}
