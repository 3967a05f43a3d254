/** A folder of SQL that owns one schema. */
export interface Module {
  /** The folder's name. */
  readonly name: string
  readonly schema: string
  /** Service that owns the module when the database is split. */
  readonly service: string
  /** Modules that this one may refer to, sorted. */
  readonly requires: string[]
  /** Modules that only foreign keys may refer to, although they (transitively) require this one; sorted. */
  readonly cycles: string[]
  readonly purpose: string
  /** Where it was read from. */
  readonly directory: string
  readonly hasReadme: boolean
  /** SQL files sorted by band, then name. */
  readonly files: ModuleFile[]
  readonly seeds: { readonly system: ModuleFile[]; readonly demo: ModuleFile[] }
  /** What differs where each service has a database of its own. Default: nothing. */
  readonly separate?: Separate
}

/** A module where its service does not share a database with others. */
export interface Separate {
  /** Functions that take the place of the module's own of the same name, and what it needs beyond them. */
  readonly files: ModuleFile[]
  /** `table` -> the columns that other services may keep a copy of, besides its keys. */
  readonly publishes: Readonly<Record<string, readonly string[]>>
  /** `table` -> what each service's database starts with; for modules that every service has. */
  readonly starts: Readonly<Record<string, StartOfTable>>
}

/** copied: with the rows of the shared database. fresh: empty. projection: filled from the tables of other services. */
export type StartOfTable = 'copied' | 'fresh' | 'projection'

export interface ModuleFile {
  /** Relative to the modules' directory, with `/`: `core/100-tenants.sql`. */
  readonly path: string
  /** The leading number: 0NN schema and types, 1NN tables, 2NN functions, 3NN views, 4NN grants. */
  readonly band: number
  /** The name without number and ending: `tenants`. */
  readonly name: string
  readonly text: string
}
