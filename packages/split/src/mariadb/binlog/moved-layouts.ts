import type { MovedTable, TableName } from '../../model.ts'
import { readLayouts, type Layout } from '../layout.ts'
import type { Session } from '../session.ts'

/** Of the moved tables, by the names that the log gives them: in any case where the server does not tell cases apart. */
export class MovedLayouts {
  readonly #byName: ReadonlyMap<string, Layout>
  readonly #fold: (name: string) => string

  static async read(session: Session, tables: readonly MovedTable[]): Promise<MovedLayouts> {
    const layouts = await readLayouts(session, tables)
    const tellsCases = (await session.value('select @@lower_case_table_names')) === '0'
    return new MovedLayouts([...layouts.values()], tellsCases ? (name) => name : (name) => name.toLowerCase())
  }

  private constructor(layouts: readonly Layout[], fold: (name: string) => string) {
    this.#fold = fold
    this.#byName = new Map(layouts.map((layout) => [this.#idOf(layout.table), layout]))
  }

  get(table: TableName): Layout | undefined {
    return this.#byName.get(this.#idOf(table))
  }

  among(tables: readonly TableName[]): Layout[] {
    return tables.flatMap((table) => this.get(table) ?? [])
  }

  /** One of those in any of the databases. */
  within(databases: readonly string[]): Layout | undefined {
    const known = new Set(databases.map((name) => this.#fold(name)))
    return [...this.#byName.values()].find(({ table }) => known.has(this.#fold(table.schema)))
  }

  #idOf({ schema, name }: TableName): string {
    return JSON.stringify([this.#fold(schema), this.#fold(name)])
  }
}
