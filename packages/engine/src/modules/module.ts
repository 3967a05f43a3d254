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
}

export interface ModuleFile {
  /** Relative to the modules' directory, with `/`: `core/100-tenants.sql`. */
  readonly path: string
  /** The leading number: 0NN schema and types, 1NN tables, 2NN functions, 3NN views, 4NN grants. */
  readonly band: number
  /** The name without number and ending: `tenants`. */
  readonly name: string
  readonly text: string
}
