import {
  diffCatalogs,
  diffScript,
  emptyCatalog,
  foldFiles,
  printCatalog,
  printedScript,
  readCatalog,
  type Catalog,
  type Constraint,
  type Routine,
  type Table,
  type View,
} from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { tableId, type TableName } from '../model.ts'
import { findReferences, type References } from './derive-references.ts'
import { qualified, withPartitions } from './sql-text.ts'

/** What makes the tables of a service on a database of their own, as migrations: rows are loaded behind the first. */
export interface DerivedSchema {
  /** V001: types, sequences, functions that columns need, and tables with their primary keys. */
  readonly tables: string
  /** V002: indexes, constraints, views, triggers, policies, grants, comments. */
  readonly keys: string
  /** V003: tables of other services as read-only copies, and views that read them; null without any. */
  readonly copies: string | null
  readonly leftOut: readonly LeftOut[]
}

/** Something of these tables that a database of their own cannot have as it was. */
export interface LeftOut {
  /** `constraint orders_patient_fk on lab.orders`. */
  readonly object: string
  readonly reason: string
}

/**
 * Derives the schema of a service from the shared database: its tables as they are, and whatever stands on them alone. What
 * the scripts `madeBefore` make in the service's database, as a type that copies use as well, is not made again.
 */
export async function derivePostgresSchema(
  url: string,
  tables: readonly TableName[],
  copies: readonly TableName[] = [],
  madeBefore = '',
): Promise<DerivedSchema> {
  const db = connect(url, { max: 2, applicationName: 'imhotep split' })
  try {
    const catalog = await readCatalog(db)
    const references = await findReferences(catalog)
    const extensions = await neededExtensions(db, tables)
    const border = new Border(catalog, tables, references)
    const whole = withExtensions(border.whole(), catalog, extensions)
    const bare = border.withoutKeys(whole)
    const derived = {
      tables: printedScript(await printCatalog(bare, { repeatable: false })),
      keys: await script(bare, whole),
    }
    if (copies.length === 0) return { ...derived, copies: null, leftOut: border.leftOut }

    const wider = new Border(catalog, [...tables, ...copies], references)
    const all = withExtensions(
      wider.whole({ operations: false }),
      catalog,
      await neededExtensions(db, [...tables, ...copies]),
    )
    for (const [key, table] of all.tables) all.tables.set(key, whole.tables.get(key) ?? asCopy(table))
    for (const [key, routine] of whole.functions) all.functions.set(key, routine)
    takeOver(whole, all, await foldFiles([{ path: 'made before', text: madeBefore }]))
    const isMade = ({ object }: LeftOut) => object.startsWith('view ') && all.views.has(object.slice('view '.length))
    return { ...derived, copies: await script(whole, all), leftOut: border.leftOut.filter((left) => !isMade(left)) }
  } finally {
    await db.close()
  }
}

/** Puts into `whole` what `made` has of `all`, so that no script makes it. */
function takeOver(whole: Catalog, all: Catalog, made: Catalog): void {
  for (const kind of ['schemas', 'extensions', 'types', 'sequences', 'functions'] as const) {
    const there: Map<string, unknown> = whole[kind]
    for (const [key, object] of all[kind]) if (made[kind].has(key)) there.set(key, object)
  }
}

async function script(from: Catalog, to: Catalog): Promise<string> {
  const statements = await diffCatalogs(from, to, { concurrently: false })
  return diffScript(statements.map((statement) => ({ ...statement, hazard: null })))
}

function withExtensions(whole: Catalog, { extensions }: Catalog, needed: ReadonlySet<string>): Catalog {
  for (const [name, extension] of extensions) if (needed.has(name)) whole.extensions.set(name, extension)
  return whole
}

/** Replication writes it: whatever its owner checks has been checked. Who may see which rows stays. */
function asCopy(table: Table): Table {
  return {
    ...table,
    constraints: only(table.constraints, ({ kind }) => kind === 'primary key' || kind === 'not null'),
    indexes: only(table.indexes, ({ name, unique }) => !unique || table.constraints.get(name)?.kind === 'primary key'),
    triggers: new Map(),
    grants: table.grants.filter(({ privilege }) => privilege === 'SELECT'),
  }
}

/** Extensions whose types, functions and operators stand in the definitions of these tables. */
async function neededExtensions(db: Database, tables: readonly TableName[]): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ name: string }>(
    `with wanted as (
       select t.oid from unnest($1::text[]) name cross join lateral ${withPartitions('name')} t),
     parts as (
       select 'pg_class'::regclass as classid, oid from wanted
       union all select 'pg_class'::regclass, indexrelid from pg_index where indrelid in (select oid from wanted)
       union all select 'pg_constraint'::regclass, oid from pg_constraint where conrelid in (select oid from wanted)
       union all select 'pg_attrdef'::regclass, oid from pg_attrdef where adrelid in (select oid from wanted)
       union all select 'pg_trigger'::regclass, oid from pg_trigger where tgrelid in (select oid from wanted)
       union all select 'pg_policy'::regclass, oid from pg_policy where polrelid in (select oid from wanted)),
     mentioned as (
       select d.refclassid, d.refobjid from pg_depend d join parts p on p.classid = d.classid and p.oid = d.objid
       -- a type made of an extension's type, its array
       union select 'pg_type'::regclass, t.typbasetype from pg_depend d join parts p on p.classid = d.classid and p.oid = d.objid
               join pg_type t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
       union select 'pg_type'::regclass, t.typelem from pg_depend d join parts p on p.classid = d.classid and p.oid = d.objid
               join pg_type t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid)
     select distinct e.extname as name
       from mentioned m join pg_depend d on d.classid = m.refclassid and d.objid = m.refobjid and d.deptype = 'e'
       join pg_extension e on e.oid = d.refobjid`,
    [tables.map(qualified)],
  )
  return new Set(rows.map(({ name }) => name))
}

/** What is inside of a service, and what is not. */
class Border {
  readonly #catalog: Catalog
  readonly #references: References
  readonly #tables: ReadonlySet<string>
  readonly #leftOut = new Map<string, string>()
  readonly #needed = new Set<string>()

  constructor(catalog: Catalog, tables: readonly TableName[], references: References) {
    this.#catalog = catalog
    this.#references = references
    const inside = new Set(tables.map(tableId))
    // Partitions of partitions, whatever their order.
    for (let before = -1; before !== inside.size;) {
      before = inside.size
      for (const [key, { partitionOf }] of catalog.tables) if (inside.has(partitionOf ?? '')) inside.add(key)
    }
    this.#tables = inside
  }

  get leftOut(): readonly LeftOut[] {
    return [...this.#leftOut].map(([object, reason]) => ({ object, reason }))
  }

  /** The catalog of the service's database; without operations no functions but those that other objects need. */
  whole({ operations = true } = {}): Catalog {
    const whole = emptyCatalog()
    for (const key of this.#tables) {
      const table = this.#catalog.tables.get(key)
      if (table) whole.tables.set(key, this.#tableInside(key, table))
    }
    for (const [key, view] of this.#catalog.views) {
      if (this.#concerns(`view ${key}`) && this.#isInside(`view ${key}`))
        whole.views.set(key, this.#viewInside(key, view))
    }
    for (const key of operations ? this.#catalog.functions.keys() : []) {
      const object = `function ${key}`
      if (this.#concerns(object) && this.#isInside(object)) this.#need(object)
    }
    this.#addNeeded(whole)
    for (const [key, statistics] of this.#catalog.statistics) {
      if (this.#tables.has(statistics.table)) whole.statistics.set(key, { ...statistics, owner: null })
    }
    this.#addSchemasAndRoles(whole)
    return whole
  }

  /** The same with nothing but tables with primary keys, and what their columns need. */
  withoutKeys(whole: Catalog): Catalog {
    const bare: Catalog = {
      ...emptyCatalog(),
      extensions: whole.extensions,
      roles: whole.roles,
      types: withoutAccess(whole.types),
      sequences: withoutAccess(whole.sequences),
      schemas: withoutAccess(whole.schemas),
    }
    for (const [key, table] of whole.tables) {
      bare.tables.set(key, {
        ...table,
        constraints: only(table.constraints, ({ kind }) => kind === 'primary key' || kind === 'not null'),
        indexes: only(
          table.indexes,
          ({ name, fromConstraint }) => fromConstraint && table.constraints.get(name)?.kind === 'primary key',
        ),
        policies: new Map(),
        triggers: new Map(),
        rules: new Map(),
        rlsEnabled: false,
        rlsForced: false,
        replicaIdentity: 'default',
        columns: new Map([...table.columns].map(([name, column]) => [name, { ...column, comment: null }])),
        comment: null,
        grants: [],
      })
    }
    const early = new Set<string>()
    const follow = (object: string) => {
      for (const name of this.#references.get(object) ?? []) {
        for (const [key, routine] of whole.functions) {
          if (`${routine.schema}.${routine.name}` !== name || early.has(key)) continue
          early.add(key)
          follow(`function ${key}`)
        }
        if (whole.types.has(name) && name !== object.slice('type '.length)) follow(`type ${name}`)
      }
    }
    // The text of a table holds its checks as well: a function too many does no harm there.
    for (const key of whole.tables.keys()) follow(`table ${key}`)
    for (const key of early) {
      const routine = whole.functions.get(key)
      if (routine) bare.functions.set(key, { ...routine, grants: [], comment: null })
    }
    return bare
  }

  #tableInside(key: string, table: Table): Table {
    this.#need(`table ${key}`)
    const keeps = (object: string) => {
      if (!this.#isInside(object)) return false
      this.#need(object)
      return true
    }
    for (const { name } of table.indexes.values()) this.#need(`index ${name} on ${key}`)
    for (const column of table.columns.values()) this.#needSequences(key, column.name)
    return {
      ...table,
      owner: null,
      constraints: only(table.constraints, (constraint) => this.#keepsConstraint(key, constraint)),
      triggers: only(
        table.triggers,
        ({ name }) => !name.startsWith('imhotep_split') && keeps(`trigger ${name} on ${key}`),
      ),
      policies: only(table.policies, ({ name }) => keeps(`policy ${name} on ${key}`)),
      rules: only(table.rules, ({ name }) => keeps(`rule ${name} on ${key}`)),
    }
  }

  #keepsConstraint(key: string, { name, kind, references }: Constraint): boolean {
    const object = `constraint ${name} on ${key}`
    if (kind === 'foreign key' && references !== null && !this.#tables.has(references)) {
      this.#leftOut.set(object, `it leads to ${references}, which is not a table of this service`)
      return false
    }
    if (kind !== 'foreign key') this.#need(object)
    return true
  }

  #viewInside(key: string, view: View): View {
    this.#need(`view ${key}`)
    return { ...view, owner: null }
  }

  #needSequences(table: string, column: string): void {
    for (const [key, { ownedBy }] of this.#catalog.sequences) {
      if (ownedBy === `${table}.${column}`) this.#needed.add(`sequence ${key}`)
    }
  }

  /** Whether something mentions a table of the service, itself or through what it calls. */
  #concerns(object: string, seen = new Set<string>()): boolean {
    if (seen.has(object)) return false
    seen.add(object)
    return [...(this.#references.get(object) ?? [])].some(
      (name) =>
        this.#tables.has(name) ||
        this.#objectsNamed(name).some((next) => !next.startsWith('table ') && this.#concerns(next, seen)),
    )
  }

  /** Whether all that something mentions is the service's own. */
  #isInside(object: string): boolean {
    const foreign = this.#foreignTable(object, new Set())
    if (foreign === null) return true
    this.#leftOut.set(object, `it needs ${foreign}, which is not a table of this service`)
    return false
  }

  #foreignTable(object: string, seen: Set<string>): string | null {
    if (seen.has(object)) return null
    seen.add(object)
    for (const name of this.#references.get(object) ?? []) {
      if (this.#catalog.tables.has(name) && !this.#tables.has(name)) return name
      for (const next of this.#objectsNamed(name)) {
        const foreign = next.startsWith('table ') ? null : this.#foreignTable(next, seen)
        if (foreign !== null) return foreign
      }
    }
    return null
  }

  /** Notes types, sequences and functions that something mentions, and what those mention. */
  #need(object: string): void {
    if (this.#needed.has(object)) return
    this.#needed.add(object)
    for (const name of this.#references.get(object) ?? []) {
      for (const next of this.#objectsNamed(name)) if (!/^(table|view) /.test(next)) this.#need(next)
    }
  }

  #objectsNamed(name: string): string[] {
    return [
      ...(this.#catalog.tables.has(name) ? [`table ${name}`] : []),
      ...(this.#catalog.views.has(name) ? [`view ${name}`] : []),
      ...(this.#catalog.types.has(name) ? [`type ${name}`] : []),
      ...(this.#catalog.sequences.has(name) ? [`sequence ${name}`] : []),
      ...this.#overloads(name),
    ]
  }

  #overloads(name: string): string[] {
    return [...this.#catalog.functions]
      .filter(([, routine]: [string, Routine]) => `${routine.schema}.${routine.name}` === name)
      .map(([key]) => `function ${key}`)
  }

  #addNeeded(whole: Catalog): void {
    for (const object of this.#needed) {
      const at = object.indexOf(' ')
      const key = object.slice(at + 1)
      const { types, sequences, functions } = this.#catalog
      const [type, sequence, routine] = [types.get(key), sequences.get(key), functions.get(key)]
      if (object.startsWith('type ') && type) whole.types.set(key, { ...type, owner: null })
      if (object.startsWith('function ') && routine) whole.functions.set(key, { ...routine, owner: null })
      if (object.startsWith('sequence ') && sequence) {
        const isOurs = [...this.#tables].some((table) => sequence.ownedBy?.startsWith(`${table}.`))
        whole.sequences.set(key, { ...sequence, owner: null, ownedBy: isOurs ? sequence.ownedBy : null })
      }
    }
  }

  #addSchemasAndRoles(whole: Catalog): void {
    const objects = [whole.tables, whole.views, whole.types, whole.sequences, whole.functions].flatMap(
      (map): { schema: string; grants: { grantee: string }[] }[] => [...map.values()],
    )
    for (const name of new Set(objects.map(({ schema }) => schema))) {
      const schema = this.#catalog.schemas.get(name)
      if (schema) whole.schemas.set(name, { ...schema, owner: null })
    }
    const grantees = [...objects, ...whole.schemas.values()].flatMap(({ grants }) =>
      grants.map(({ grantee }) => grantee),
    )
    const named = [...whole.tables.values()].flatMap(({ policies }) =>
      [...policies.values()].flatMap(({ roles }) => roles),
    )
    const names = new Set([...grantees, ...named])
    for (const [name, role] of this.#catalog.roles) {
      if (names.has(name) && !role.superuser) whole.roles.set(name, { ...role, memberOf: [], memberships: {} })
    }
  }
}

function only<T>(map: ReadonlyMap<string, T>, isWanted: (value: T) => boolean): Map<string, T> {
  return new Map([...map].filter(([, value]) => isWanted(value)))
}

function withoutAccess<T extends { comment: string | null; grants: unknown[] }>(
  map: ReadonlyMap<string, T>,
): Map<string, T> {
  return new Map([...map].map(([key, value]) => [key, { ...value, comment: null, grants: [] }]))
}
