import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type Pair, type YAMLMap } from 'yaml'
import { OwnerMapError, type MapProblem } from './errors.ts'
import type { MapEntry, NamedService, OwnerMap, Place, ZeroDate } from './owner-map.ts'

/**
 * Reads an owner map (`services:` and `tables:`) from YAML text.
 * @throws OwnerMapError with every line that cannot be understood
 */
export function readOwnerMap(text: string, file: string): OwnerMap {
  return new Reader(text, file).read()
}

const entryWords = ['owner', 'copies', 'key', 'zeroDate', 'columns']

class Reader {
  readonly #file: string
  readonly #text: string
  readonly #lines = new LineCounter()
  readonly #problems: MapProblem[] = []

  constructor(text: string, file: string) {
    this.#text = text
    this.#file = file
  }

  read(): OwnerMap {
    // a table that stands there twice is told in our words, with both lines
    const document = parseDocument(this.#text, { lineCounter: this.#lines, uniqueKeys: false })
    for (const error of document.errors) {
      const { line, col: column } = error.linePos?.[0] ?? { line: 1, col: 1 }
      const message = error.message.replace(/ at line \d+, column \d+:[^]*$/, '').toLowerCase()
      this.#problems.push({ line, column, message: `not YAML: ${message}`, wayOut: 'correct the line' })
    }
    if (this.#problems.length > 0) throw new OwnerMapError(this.#file, this.#problems)

    const sections = this.#sections(document.contents)
    const services = this.#pairs(sections.get('services'), 'services').map((pair) => this.#service(pair))
    const tables = this.#pairs(sections.get('tables'), 'tables').map((pair) => this.#entry(pair))
    if (this.#problems.length > 0) throw new OwnerMapError(this.#file, this.#problems)
    return { file: this.#file, services, tables }
  }

  #sections(root: unknown): Map<string, unknown> {
    const found = new Map<string, unknown>()
    for (const pair of this.#pairs(root, 'the file')) {
      const name = textOf(pair.key)
      const where = this.#place(pair.key)
      if (name !== 'services' && name !== 'tables') {
        this.#problem(where, `unknown section '${name}'`, `an owner map has 'services' and 'tables'`)
      } else if (found.has(name)) this.#problem(where, `section '${name}' stands there twice`, 'join the two')
      found.set(name, pair.value)
    }
    for (const name of ['services', 'tables']) {
      if (!found.has(name)) this.#problem({ line: 1, column: 1 }, `section '${name}' is missing`, `add '${name}:'`)
    }
    return found
  }

  #service(pair: Pair): NamedService {
    const name = textOf(pair.key)
    const where = this.#place(pair.key)
    if (!/^[a-z][a-z0-9_]{0,40}$/.test(name)) {
      this.#problem(where, `'${name}' cannot name a service`, 'use lower case letters, digits and _')
    }
    let database: string | null = null
    for (const option of this.#options(pair.value, `service '${name}'`)) {
      const word = textOf(option.key)
      if (word !== 'database') {
        this.#problem(this.#place(option.key), `unknown setting '${word}' of service '${name}'`, `use 'database'`)
        continue
      }
      database = textOf(option.value)
      if (!/^[a-z_][a-z0-9_]{0,62}$/.test(database)) {
        const message = `'${database}' cannot name the database of '${name}'`
        this.#problem(this.#place(option.value), message, 'use lower case letters, digits and _, at most 63')
      }
    }
    return { name, database, ...where }
  }

  #entry(pair: Pair): MapEntry {
    const table = textOf(pair.key)
    const where = this.#place(pair.key)
    const plain = { table, copies: [], key: null, zeroDate: null, zeroDates: new Map<string, ZeroDate>(), ...where }
    if (isScalar(pair.value) && typeof pair.value.value === 'string') return { ...plain, owner: pair.value.value }
    if (isSeq(pair.value)) {
      this.#problem(
        this.#place(pair.value),
        `table '${table}' has several owners`,
        'keep one; the others may be `copies`',
      )
      return { ...plain, owner: '' }
    }
    if (!isMap(pair.value)) {
      this.#problem(where, `table '${table}' has no owner`, `write '${table}: <service>' or '${table}: shared-read'`)
      return { ...plain, owner: '' }
    }
    return { ...plain, ...this.#entryOptions(table, pair.value, where) }
  }

  #entryOptions(table: string, map: YAMLMap, where: Place) {
    const values = new Map<string, unknown>()
    for (const option of this.#options(map, `table '${table}'`)) {
      const word = textOf(option.key)
      if (entryWords.includes(word)) values.set(word, option.value)
      else
        this.#problem(
          this.#place(option.key),
          `unknown word '${word}' of table '${table}'`,
          `use ${entryWords.join(', ')}`,
        )
    }
    if (!values.has('owner') || textOf(values.get('owner')) === '') {
      this.#problem(where, `table '${table}' has no owner`, 'add owner: <service>')
    }
    const zeroDates = new Map<string, ZeroDate>()
    for (const column of this.#options(values.get('columns'), `columns of '${table}'`)) {
      for (const option of this.#options(column.value, `column '${textOf(column.key)}' of '${table}'`)) {
        if (textOf(option.key) === 'zeroDate') zeroDates.set(textOf(column.key), this.#zeroDate(option.value, table))
        else this.#problem(this.#place(option.key), `unknown word '${textOf(option.key)}' of a column`, 'use zeroDate')
      }
    }
    return {
      owner: textOf(values.get('owner')),
      copies: values.has('copies') ? this.#names(values.get('copies'), `copies of '${table}'`) : [],
      key: values.has('key') ? this.#names(values.get('key'), `key of '${table}'`) : null,
      zeroDate: values.has('zeroDate') ? this.#zeroDate(values.get('zeroDate'), table) : null,
      zeroDates,
    }
  }

  #zeroDate(value: unknown, table: string): ZeroDate {
    const text = textOf(value)
    if (isScalar(value) && (value.value === null || text === 'null')) return 'null'
    const [option] = isMap(value) ? value.items : []
    const sentinel = option && textOf(option.key) === 'sentinel' ? textOf(option.value) : ''
    if (/^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$/.test(sentinel)) return { sentinel }
    const wayOut = `write zeroDate: null, or zeroDate: { sentinel: '1900-01-01' }`
    this.#problem(this.#place(value), `zeroDate of '${table}' is neither null nor a date`, wayOut)
    return 'null'
  }

  #names(value: unknown, what: string): string[] {
    if (isSeq(value)) return value.items.map(textOf)
    this.#problem(this.#place(value), `${what}: not a list`, 'write [a, b]')
    return []
  }

  #options(value: unknown, what: string): readonly Pair[] {
    if (value === undefined || value === null || (isScalar(value) && value.value === null)) return []
    return this.#pairs(value, what)
  }

  #pairs(value: unknown, what: string): readonly Pair[] {
    if (isMap(value)) return value.items
    if (value !== undefined && value !== null && !(isScalar(value) && value.value === null)) {
      this.#problem(this.#place(value), `${what}: not a mapping`, 'write name: value, one a line')
    }
    return []
  }

  #place(node: unknown): Place {
    const offset = (node as Node | null)?.range?.[0]
    if (offset === undefined) return { line: 1, column: 1 }
    const { line, col } = this.#lines.linePos(offset)
    return { line, column: col }
  }

  #problem(where: Place, message: string, wayOut: string): void {
    this.#problems.push({ line: where.line, column: where.column, message, wayOut })
  }
}

function textOf(node: unknown): string {
  return isScalar(node) ? (node.source ?? '') : ''
}
