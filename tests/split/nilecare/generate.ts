import { Readable } from 'node:stream'
import { createConnection, type Connection } from 'mysql2/promise'
import { hash, seedOf } from './random.ts'
import { readShape, type FixtureColumn, type FixtureKey, type FixtureTable } from './read-shape.ts'
import { nilecareSizes } from './sizes.ts'
import { choicesOf, uniqueValues, valuesOf, type Values } from './values.ts'

export interface GenerateOptions {
  /** In all tables together, from 5,000. */
  readonly rows: number
  readonly seed?: number
}

/** Fills the tables that `installNilecare` made; the same seed gives the same rows. Returns the rows of each table. */
export async function generateNilecare(url: string, options: GenerateOptions): Promise<ReadonlyMap<string, number>> {
  const connections = await Promise.all([openLoader(url), openLoader(url)])
  try {
    const plan = new Plan(await readShape(connections[0]), nilecareSizes(options.rows), options.seed ?? 1)
    const waiting = plan.tables().toSorted((a, b) => plan.rows(b.name) - plan.rows(a.name))
    await Promise.all(connections.map((connection) => loadAll(connection, plan, waiting)))
    return new Map(plan.tables().map(({ name }) => [name, plan.rows(name)]))
  } finally {
    await Promise.all(connections.map((connection) => connection.end()))
  }
}

async function openLoader(url: string): Promise<Connection> {
  const connection = await createConnection({ uri: url, charset: 'utf8mb4' })
  // the generator sees to keys itself; triggers of the application are none of a load's business
  await connection.query(`set foreign_key_checks = 0, unique_checks = 0, time_zone = '+00:00', @nilecare_load = 1`)
  await connection.query('set global local_infile = 1')
  return connection
}

async function loadAll(connection: Connection, plan: Plan, waiting: FixtureTable[]): Promise<void> {
  for (let table = waiting.shift(); table; table = waiting.shift()) {
    await loadTable(connection, plan, table)
    await connection.query(`analyze table ${table.name}`)
  }
}

async function loadTable(connection: Connection, plan: Plan, table: FixtureTable): Promise<void> {
  const columns = table.columns.filter(({ generated }) => !generated)
  const places = columns.map(({ name, type }) => (needsFunction(type) ? `@${name}` : name))
  const sets = columns
    .filter(({ type }) => needsFunction(type))
    .map(({ name, type }) => `${name} = ${fromText(type, name)}`)
  await connection.query({
    sql:
      `load data local infile 'rows' into table ${table.name} character set utf8mb4 (${places.join(', ')})` +
      (sets.length > 0 ? ` set ${sets.join(', ')}` : ''),
    infileStreamFactory: () => Readable.from(chunks(plan, table, columns)),
  })
}

function needsFunction(type: string): boolean {
  return /^bit|binary|blob/.test(type)
}

function fromText(type: string, name: string): string {
  return type.startsWith('bit') ? `cast(@${name} as unsigned)` : `unhex(@${name})`
}

function* chunks(plan: Plan, table: FixtureTable, columns: readonly FixtureColumn[]): Generator<Buffer> {
  const values = columns.map((column) => plan.values(table.name, column.name))
  const rows = plan.rows(table.name)
  let text = ''
  for (let index = 0; index < rows; index++) {
    for (let at = 0; at < values.length; at++) {
      const value = (values[at] as Values)(index)
      text += (at === 0 ? '' : '\t') + (value === null ? '\\N' : escape(value))
    }
    text += '\n'
    if (text.length > 200_000) {
      yield Buffer.from(text)
      text = ''
    }
  }
  yield Buffer.from(text)
}

function escape(value: string): string {
  return /[\\\t\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n') : value
}

/** Where each value comes from: a key, the row that it refers to, or its type. */
class Plan {
  readonly #shape: ReadonlyMap<string, FixtureTable>
  readonly #sizes: ReadonlyMap<string, number>
  readonly #seed: number
  readonly #made = new Map<string, Values>()

  constructor(shape: ReadonlyMap<string, FixtureTable>, sizes: ReadonlyMap<string, number>, seed: number) {
    this.#shape = shape
    this.#sizes = sizes
    this.#seed = seed
  }

  tables(): FixtureTable[] {
    return [...this.#shape.values()].filter(({ name }) => this.#sizes.has(name))
  }

  rows(table: string): number {
    return this.#sizes.get(table) ?? 0
  }

  values(table: string, column: string): Values {
    const id = `${table}.${column}`
    const known = this.#made.get(id)
    if (known) return known
    const made = this.#make(this.#table(table), column)
    this.#made.set(id, made)
    return made
  }

  #make(table: FixtureTable, name: string): Values {
    const column = table.columns.find((column) => column.name === name) as FixtureColumn
    const place = table.primaryKey.indexOf(name)
    if (column.automatic) return (index) => String(index + 1)
    if (table.primaryKey.length > 1 && place >= 0) return this.#keyPart(table, column, place)
    const foreign = table.foreignKeys.find(({ columns }) => columns.includes(name))
    if (foreign) return this.#reference(table, column, foreign)
    return valuesOf(table.name, column, this.#seed)
  }

  /** The last part counts fastest, the first one follows: no key comes twice. */
  #keyPart(table: FixtureTable, column: FixtureColumn, place: number): Values {
    const isLast = place === table.primaryKey.length - 1
    if (column.type === 'char(36)' && isLast)
      return uniqueValues(column, seedOf(`${table.name}.${column.name}`, this.#seed))
    const last = table.columns.find(({ name }) => name === table.primaryKey.at(-1)) as FixtureColumn
    if (last.type === 'char(36)') return valuesOf(table.name, column, this.#seed)

    const width = Math.min(4, this.#choices(table, last))
    const slow = (index: number) => Math.floor(index / width)
    const choices = this.#choices(table, column)
    // parts of the key that refer walk through their parents, so that children spread
    const spread = isLast ? (index: number) => ((index % width) + slow(index) * 7) % choices : slow
    const values = this.#domain(table, column)
    return (index) => values(isLast && choices === Infinity ? index % width : spread(index))
  }

  #choices(table: FixtureTable, column: FixtureColumn): number {
    const foreign = table.foreignKeys.find(({ columns }) => columns.length === 1 && columns[0] === column.name)
    if (foreign) return this.rows(foreign.table)
    return column.type.startsWith('enum') ? choicesOf(column.type).length : Infinity
  }

  #domain(table: FixtureTable, column: FixtureColumn): Values {
    const foreign = table.foreignKeys.find(({ columns }) => columns.length === 1 && columns[0] === column.name)
    if (foreign) return this.values(foreign.table, foreign.references[0] as string)
    if (column.type.startsWith('enum')) return (index) => choicesOf(column.type)[index] as string
    return /char/.test(column.type) ? (index) => `${column.name}.${index}` : (index) => String(index + 1)
  }

  #reference(table: FixtureTable, column: FixtureColumn, key: FixtureKey): Values {
    const parent = this.values(key.table, key.references[key.columns.indexOf(column.name)] as string)
    const seed = seedOf(`${table.name}.${key.name}`, this.#seed)
    const parents = this.rows(key.table)
    if (column.unique) return (index) => parent(index)
    if (key.table === table.name)
      return (index) => (index < 4 ? null : parent(hash(seed, index) % Math.floor(index / 2)))
    return (index) => (column.nullable && hash(seed + 1, index) % 5 === 0 ? null : parent(hash(seed, index) % parents))
  }

  #table(name: string): FixtureTable {
    const table = this.#shape.get(name)
    if (!table) throw new Error(`the fixture has no table ${name}`)
    return table
  }
}
