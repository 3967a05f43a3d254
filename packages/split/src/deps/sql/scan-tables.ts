import { tokenise, type Dialect, type Token } from './tokens.ts'
import type { SqlUses, TableUse } from './uses.ts'

/**
 * Finds the tables of a statement, or of the body of a routine, by the places where the grammar wants a table. It needs no
 * complete grammar, so it reads what parsers refuse: compound statements, normalised digests, newer syntax.
 */
export function scanTables(text: string, dialect: Dialect): SqlUses {
  const { tokens, isCut } = tokenise(text, dialect)
  const scan = new Scan(tokens, dialect)
  scan.run()
  if (isCut) scan.doubts.add('the text is cut')
  return { tables: scan.tables(), calls: [...scan.calls], doubts: [...scan.doubts] }
}

/** One level of parentheses, or the statement itself. */
interface Level {
  /** SELECT or DELETE was seen: FROM is followed by tables, and not part of extract(.. from ..). */
  selects: boolean
  /** A comma brings the next table. */
  inList: boolean
  /** The statement that this level is the top of. */
  statement: Statement
}

interface Statement {
  readonly targets: Set<string>
  /** Name or alias -> places in `found`. */
  readonly aliases: Map<string, number>
  kind: 'update' | 'delete' | 'merge' | 'other'
  first: number | null
}

interface Hidden {
  readonly name: string
  readonly from: number
  readonly to: number
}

const listEnds = new Set(
  'where group having order limit offset union except intersect minus window for procedure into set values returning when select fetch on_conflict'.split(
    ' ',
  ),
)
const notAlias = new Set(
  'where group having order limit offset union except intersect on using join inner left right full cross natural straight_join set values select for use force ignore window into partition when returning default as tablesample fetch'.split(
    ' ',
  ),
)

class Scan {
  readonly calls = new Set<string>()
  readonly doubts = new Set<string>()
  readonly #tokens: readonly Token[]
  readonly #dialect: Dialect
  readonly #found: { use: TableUse; at: number; writes: boolean }[] = []
  readonly #closing: ReadonlyMap<number, number>
  readonly #hidden: Hidden[] = []
  #levels: Level[]
  #at = 0

  constructor(tokens: readonly Token[], dialect: Dialect) {
    this.#tokens = tokens
    this.#dialect = dialect
    this.#closing = matchParentheses(tokens)
    this.#levels = [this.#newStatementLevel()]
  }

  run(): void {
    this.#hideCommonTables()
    while (this.#at < this.#tokens.length) this.#step()
    if (this.#levels.length > 1) this.doubts.add('the text is cut')
  }

  tables(): TableUse[] {
    return this.#found
      .filter(({ use, at }) => use.schema !== null || !this.#isHidden(use.name, at))
      .map(({ use, writes }) => ({ ...use, writes }))
  }

  #step(): void {
    const token = this.#tokens[this.#at] as Token
    const level = this.#level()
    if (token.kind === 'sign') this.#sign(token, level)
    else if (token.kind === 'word') this.#word(token, level)
    else if (token.kind === 'name' && this.#text(1) === '(') this.calls.add(token.text)
    else if (token.kind === 'string' && this.#dialect === 'postgres') this.#regclass(token)
    this.#at++
  }

  /** `'a.b'::regclass` names a table in a string. */
  #regclass({ text }: Token): void {
    if (this.#text(1) !== ':' || this.#text(2) !== ':') return
    const type = this.#text(3) === 'pg_catalog' && this.#text(4) === '.' ? this.#text(5) : this.#text(3)
    const [, schema, name] = /^(?:(\w+)\.)?(\w+)$/.exec(text) ?? []
    if (type !== 'regclass' || name === undefined) return
    this.#found.push({ use: { schema: schema ?? null, name, writes: false }, at: this.#at, writes: false })
  }

  #sign({ text }: Token, level: Level): void {
    if (text === '(') this.#levels.push({ ...newLevel(), statement: level.statement })
    else if (text === ')' && this.#levels.length > 1) this.#levels.pop()
    else if (text === ';') this.#levels = [this.#newStatementLevel()]
    else if (text === ',' && level.inList) this.#after(() => this.#tableList())
  }

  #word({ text }: Token, level: Level): void {
    if (this.#text(-1) === '.' || this.#text(1) === '.') {
      // part of a name: shop.update
      if (this.#text(-1) === '.' && this.#text(1) === '(') this.calls.add(text)
      return
    }
    if (listEnds.has(text)) level.inList = false
    const before = this.#text(-1)
    switch (text) {
      case 'select':
        level.selects = true
        return
      case 'fetch':
      case 'move':
      case 'revoke':
        // what follows FROM is a cursor or a role
        if (!level.inList) level.selects = false
        return
      case 'copy':
        if (this.#dialect === 'postgres' && this.#text(1) !== '(')
          this.#after(() => this.#table(this.#isBefore('from', 'to')))
        return
      case 'from':
        if (level.selects && before !== 'distinct') this.#after(() => this.#tableList())
        return
      case 'using':
        if (isOneOf(level.statement.kind, 'delete', 'merge') && this.#text(1) !== '(')
          this.#after(() => this.#tableList())
        return
      case 'join':
      case 'straight_join':
        if (text === 'join' || level.inList) this.#after(() => this.#table(false))
        return
      case 'insert':
      case 'replace':
        if (this.#text(1) !== '(' && !isOneOf(before, 'or', 'after', 'before', 'of', ',', 'on'))
          this.#after(() => this.#insert())
        return
      case 'merge':
        if (this.#text(1) !== 'into') return
        level.statement = newStatement('merge')
        this.#skipTo(2, () => this.#table(true))
        return
      case 'update':
        if (
          !isOneOf(before, 'key', 'for', 'on', 'after', 'before', 'or', ',', 'no', 'do') ||
          this.#startsStatement(before)
        ) {
          level.statement = newStatement('update')
          if (this.#dialect === 'postgres') level.selects = true
          this.#after(() => this.#update())
        }
        return
      case 'delete':
        if (isOneOf(before, 'on', 'after', 'before', 'or', ',', 'then') && !this.#startsStatement(before)) return
        level.selects = true
        level.statement = newStatement('delete')
        this.#after(() => this.#delete())
        return
      case 'set':
        if (level.statement.kind === 'update') this.#assignments(level.statement)
        return
      case 'truncate':
        if (this.#text(1) === '(') this.calls.add(text)
        else this.#skipTo(this.#text(1) === 'table' ? 2 : 1, () => this.#tableList(true))
        return
      case 'table':
      case 'tables':
        if (isOneOf(before, 'create', 'alter', 'drop', 'lock', 'rename', 'into', 'temporary'))
          this.#after(() => this.#statementTable(before))
        return
      case 'references':
        this.#after(() => this.#table(false))
        return
      case 'prepare':
        if (this.#text(2) === 'from') this.#dynamic(3)
        return
      case 'execute':
        if (
          this.#dialect === 'mariadb'
            ? this.#text(1) === 'immediate'
            : !isOneOf(this.#text(1), 'function', 'procedure', 'on')
        ) {
          this.#dynamic(this.#dialect === 'mariadb' ? 2 : 1)
        }
        return
      case 'call':
        this.#call()
        return
      default:
        if (this.#text(1) === '(') this.calls.add(text)
    }
  }

  /** `begin update`, `then delete`, `else insert`: where a statement begins in a compound one. */
  #startsStatement(before: string): boolean {
    return isOneOf(before, '', ';', 'begin', 'then', 'else', 'do', 'loop', 'repeat', ':', 'row', 'explain', 'analyze')
  }

  #insert(): void {
    this.#skipWords('low_priority', 'delayed', 'high_priority', 'ignore', 'into', 'overwrite')
    // the tables of the SELECT that feeds it are looked for on the same level
    this.#table(true)
  }

  #update(): void {
    this.#skipWords('low_priority', 'ignore', 'only')
    this.#tableList()
  }

  #delete(): void {
    this.#skipWords('low_priority', 'quick', 'ignore', 'history')
    const { statement } = this.#level()
    if (this.#text(0) === 'from') {
      // `delete from t` and `delete from a, b using a join b`
      this.#at++
      this.#skipWords('only')
      for (let at = this.#at; isName(this.#tokens[at]); at += 2) {
        statement.targets.add((this.#tokens[at] as Token).text)
        if (this.#tokens[at + 1]?.text !== ',') break
      }
      this.#tableList(true)
      return
    }
    while (this.#tokens[this.#at] && this.#text(0) !== 'from' && this.#text(0) !== ';') {
      if (isName(this.#tokens[this.#at])) statement.targets.add(this.#text(0))
      this.#at++
    }
    this.#at--
    statement.kind = 'delete'
  }

  /** `update a join b set b.x = 1` writes b. */
  #assignments(statement: Statement): void {
    const written = new Set<number>()
    let depth = 0
    let isStart = true
    for (let at = this.#at + 1; at < this.#tokens.length; at++) {
      const token = this.#tokens[at] as Token
      if (token.text === '(' && token.kind === 'sign') depth++
      if (token.text === ')' && token.kind === 'sign') depth--
      if (
        depth < 0 ||
        (depth === 0 && token.kind === 'word' && isOneOf(token.text, 'where', 'order', 'limit', 'from', 'returning'))
      )
        break
      if (depth === 0 && token.kind === 'sign' && token.text === ';') break
      if (isStart && isName(token) && this.#tokens[at + 1]?.text === '.') {
        const path = this.#pathAt(at)
        const place = statement.aliases.get(path.at(-2) ?? '')
        if (place !== undefined) written.add(place)
      }
      isStart = depth === 0 && token.kind === 'sign' && token.text === ','
    }
    if (written.size === 0 && statement.first !== null) written.add(statement.first)
    for (const place of written) this.#write(place)
    statement.kind = 'other'
  }

  #statementTable(before: string): void {
    this.#skipWords('if', 'not', 'exists', 'only')
    // LOCK TABLES a READ is no write
    this.#tableList(before !== 'lock')
    if (this.#text(1) === 'like') this.#skipTo(2, () => this.#table(false))
  }

  #dynamic(offset: number): void {
    const token = this.#tokens[this.#at + offset]
    if (token?.kind !== 'string' || isOneOf(this.#text(offset + 1), '|', ',')) {
      this.doubts.add('it runs SQL that is computed')
      return
    }
    const inner = scanTables(token.text, this.#dialect)
    for (const use of inner.tables) this.#found.push({ use, at: this.#at, writes: use.writes })
    for (const call of inner.calls) this.calls.add(call)
    for (const doubt of inner.doubts) this.doubts.add(doubt)
  }

  #call(): void {
    const path = this.#pathAt(this.#at + 1)
    const name = path.at(-1)
    if (name !== undefined && this.#text(-1) !== 'primary') this.calls.add(name.toLowerCase())
  }

  /** One table, after which commas bring more. */
  #tableList(writes = false): void {
    this.#level().inList = true
    this.#table(writes)
  }

  /** Reads a table at the current token; leaves the place at the last token of its name. */
  #table(writes: boolean): void {
    this.#skipWords('only', 'lateral', 'if', 'exists')
    const token = this.#tokens[this.#at]
    if (token?.kind === 'sign' && token.text === '(') {
      if (isOneOf(this.#text(1), 'select', 'with', 'values', 'table')) {
        this.#at--
        return
      }
      // a nested join
      this.#levels.push({ ...newLevel(), statement: this.#level().statement, inList: true })
      this.#at++
      this.#table(writes)
      return
    }
    if (!isName(token) || (token?.kind === 'word' && listEnds.has(token.text))) {
      if (token?.kind === 'sign' && /[?$:%{]/.test(token.text)) this.doubts.add('the name of a table is computed')
      if (token?.kind === 'word' && token.text.startsWith('@')) this.doubts.add('the name of a table is computed')
      this.#at--
      return
    }
    const start = this.#at
    const path = this.#pathAt(start)
    this.#at += 2 * path.length - 2
    if (this.#text(1) === '(' && !writes && !isOneOf(this.#text(0), 'partition')) {
      const isColumns = this.#text(-1) === 'into'
      if (!isColumns) {
        // a function that returns rows
        this.calls.add((path.at(-1) as string).toLowerCase())
        return
      }
    }
    this.#found.push({ use: { schema: path.at(-2) ?? null, name: path.at(-1) as string, writes }, at: start, writes })
    this.#remember(path.at(-1) as string, this.#found.length - 1)
  }

  #remember(name: string, place: number): void {
    const { statement } = this.#level()
    statement.first ??= place
    const next = this.#text(1) === 'as' ? 2 : 1
    const token = this.#tokens[this.#at + next]
    const alias = isName(token) && !(token?.kind === 'word' && notAlias.has(token.text)) ? token?.text : undefined
    statement.aliases.set(name, place)
    if (alias !== undefined) statement.aliases.set(alias, place)
    if (statement.targets.has(name) || (alias !== undefined && statement.targets.has(alias))) this.#write(place)
  }

  #write(place: number): void {
    const found = this.#found[place]
    if (found) found.writes = true
  }

  /** `a`, `a.b`, `a.b.c`, with or without quotes. */
  #pathAt(from: number): string[] {
    const path: string[] = []
    for (let at = from; isName(this.#tokens[at]); at += 2) {
      const token = this.#tokens[at] as Token
      path.push(token.kind === 'word' && this.#dialect === 'mariadb' ? token.written : token.text)
      if (this.#tokens[at + 1]?.kind !== 'sign' || this.#tokens[at + 1]?.text !== '.') break
    }
    return path
  }

  /** WITH names tables that exist for one statement: a real table of the same name is another one. */
  #hideCommonTables(): void {
    this.#tokens.forEach((token, at) => {
      if (token.kind !== 'word' || token.text !== 'with' || this.#tokens[at - 1]?.text === '.') return
      const isRecursive = this.#tokens[at + 1]?.text === 'recursive'
      const to = this.#enclosingEnd(at)
      let next = at + (isRecursive ? 2 : 1)
      while (isName(this.#tokens[next])) {
        const name = this.#tokens[next] as Token
        let open = next + 1
        if (this.#tokens[open]?.text === '(') open = (this.#closing.get(open) ?? open) + 1
        if (this.#tokens[open]?.text !== 'as') return
        open++
        while (isOneOf(this.#tokens[open]?.text ?? '', 'not', 'materialized')) open++
        const close = this.#closing.get(open)
        this.#hidden.push({ name: name.text, from: isRecursive ? open : (close ?? open), to })
        if (close === undefined || this.#tokens[close + 1]?.text !== ',') return
        next = close + 2
      }
    })
  }

  #enclosingEnd(from: number): number {
    let depth = 0
    for (let at = from; at < this.#tokens.length; at++) {
      const { kind, text } = this.#tokens[at] as Token
      if (kind !== 'sign') continue
      if (text === '(') depth++
      if (text === ')' && --depth < 0) return at
      if (text === ';' && depth === 0) return at
    }
    return this.#tokens.length
  }

  #isHidden(name: string, at: number): boolean {
    return this.#hidden.some((one) => one.name.toLowerCase() === name.toLowerCase() && one.from < at && at < one.to)
  }

  /** To PL/pgSQL every expression is a query: `perform from a`, `x := y from a`, `return y from a`. */
  #newStatementLevel(): Level {
    return { ...newLevel(), selects: this.#dialect === 'postgres' }
  }

  #level(): Level {
    return this.#levels.at(-1) as Level
  }

  /** Which of two words comes first from here. */
  #isBefore(word: string, other: string): boolean {
    const found = this.#tokens
      .slice(this.#at)
      .find(({ kind, text }) => kind === 'word' && (text === word || text === other))
    return found?.text === word
  }

  /** Goes on behind the current token; the step itself moves on by one afterwards. */
  #after(read: () => void): void {
    this.#skipTo(1, read)
  }

  #skipTo(offset: number, read: () => void): void {
    this.#at += offset
    if (this.#tokens[this.#at]) read()
    else {
      this.#at--
      this.doubts.add('the text is cut')
    }
  }

  #skipWords(...words: string[]): void {
    while (this.#tokens[this.#at]?.kind === 'word' && words.includes(this.#text(0))) this.#at++
  }

  #text(offset: number): string {
    const token = this.#tokens[this.#at + offset]
    return token === undefined || token.kind === 'string' ? '' : token.text
  }
}

function newLevel(): Level {
  return { selects: false, inList: false, statement: newStatement('other') }
}

function newStatement(kind: Statement['kind']): Statement {
  return { targets: new Set(), aliases: new Map(), kind, first: null }
}

function isName(token: Token | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'name'
}

function isOneOf(text: string, ...choices: string[]): boolean {
  return choices.includes(text)
}

function matchParentheses(tokens: readonly Token[]): Map<number, number> {
  const open: number[] = []
  const closing = new Map<number, number>()
  tokens.forEach(({ kind, text }, at) => {
    if (kind !== 'sign') return
    if (text === '(') open.push(at)
    const start = text === ')' ? open.pop() : undefined
    if (start !== undefined) closing.set(start, at)
  })
  return closing
}
