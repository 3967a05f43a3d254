import { randomBytes } from 'node:crypto'
import { connect, withDatabase, type Database } from '@imhotep/postgres'
import { compareCatalogs, type Difference } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import { changedDigests } from '../catalog/changed-digests.ts'
import type { Catalog, OtherObject } from '../catalog/model.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import { quoteIdentifier } from '../bundle/quote.ts'
import { attributeDifferences } from './attribute.ts'
import { compareRows, loadRows } from './prove-rows.ts'
import { ProofNotPossibleError } from './errors.ts'
import { compareDetails, readDetails, type Detail } from '../catalog/read-details.ts'
import { namedRoles } from './fold-dump.ts'
import { keepSchemas } from './keep-schemas.ts'
import type { Baseline } from './make-baseline.ts'

export interface ProveOptions {
  /** A server to make scratch databases on, as a superuser. They are removed again; roles that the baseline makes stay. */
  readonly server: string
  /** The baseline without additions; the same as the one to prove when it has none. */
  readonly plain: Baseline
  readonly schemas?: readonly string[] | undefined
  /** The file of rows, when they are kept. */
  readonly data?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((text: string) => void) | undefined
}

export interface Proof {
  /** The export run as it is, and the plain baseline: the same schema. */
  readonly equal: boolean
  /** The baseline run twice is the baseline run once. */
  readonly idempotent: boolean
  /** Every difference from the export is a listed addition, and every addition makes one; null without additions. */
  readonly exact: boolean | null
  /** The rows of the export and those that the data file loads are the same; null when they are not kept. */
  readonly rows: boolean | null
  readonly differences: readonly ProofDifference[]
}

export interface ProofDifference {
  readonly part: 'equal' | 'idempotent' | 'exact' | 'rows'
  readonly object: string
  readonly message: string
}

/**
 * Runs the export itself (not what we understood of it) and the baseline on scratch databases and compares what is there.
 * @throws ProofNotPossibleError when the server refuses the export
 */
export async function proveBaseline(baseline: Baseline, options: ProveOptions): Promise<Proof> {
  const lab = new Laboratory(options)
  try {
    await lab.createRoles(baseline.source)
    const differences: ProofDifference[] = []
    const found = (part: ProofDifference['part'], all: readonly Difference[]) =>
      differences.push(...all.map((difference) => describe(part, difference)))

    const original = await lab.database('running the export', [sourceText(baseline.source)])
    const plain = await lab.database('running the plain baseline', texts(options.plain))
    found('equal', lab.compare(original, plain))
    const hasAdditions = baseline.additions.length > 0
    const full = hasAdditions ? await lab.database('running the baseline with its additions', texts(baseline)) : plain
    // An increment is run once, by the history: what can be run again is the baseline before it.
    const [again, scripts] = baseline.files.every(({ repeatable }) => repeatable)
      ? [full, texts(baseline)]
      : [plain, texts(options.plain)]
    found('idempotent', lab.compare(again, await lab.again('running it a second time', again.name, scripts)))
    if (hasAdditions) {
      const added = baseline.additions.map(({ sql }) => sql).join('\n')
      const grown = await lab.database('adding the list to the export', [sourceText(baseline.source), added])
      found('exact', lab.compareCatalogs(grown, full))
      // An addition that makes an index anew drops what was said about the old one: only the baseline has that still.
      found(
        'exact',
        lab.compareDetails(grown, full).filter(({ kind }) => kind === 'missing'),
      )
      for (const { object, message } of attributeDifferences(baseline, lab.compareCatalogs(original, full)))
        differences.push({ part: 'exact', object, message })
    }
    if (options.data !== undefined) {
      await loadRows(await lab.open(original.name), baseline.dump.file)
      await lab.again('loading the rows', full.name, [options.data])
      const rows = await compareRows(await lab.open(original.name), await lab.open(full.name), baseline.plain)
      differences.push(...rows.map((difference) => ({ part: 'rows' as const, ...difference })))
    }
    const holds = (part: ProofDifference['part']) => !differences.some((difference) => difference.part === part)
    return {
      equal: holds('equal'),
      idempotent: holds('idempotent'),
      exact: hasAdditions ? holds('exact') : null,
      rows: options.data === undefined ? null : holds('rows'),
      differences,
    }
  } finally {
    await lab.close()
  }
}

function texts({ files }: Baseline): string[] {
  return files.map(({ text }) => text)
}

function sourceText(source: readonly ParsedStatement[]): string {
  return source.map(({ text }) => `${text};\n`).join('')
}

function describe(part: ProofDifference['part'], difference: Difference): ProofDifference {
  const { object, kind, property, left, right } = difference
  if (property === null) return { part, object, message: kind }
  const message =
    property === 'digests'
      ? `it differs in ${changedDigests(left as Digests, right as Digests).join(', ')}, whose values are not shown`
      : `${property} is ${JSON.stringify(right) ?? 'none'}, not ${JSON.stringify(left) ?? 'none'}`
  return { part, object, message }
}

type Digests = OtherObject['digests']

/** What a scratch database holds. */
interface Contents {
  readonly name: string
  readonly catalog: Catalog
  readonly details: readonly Detail[]
}

/** Scratch databases of one proof. */
class Laboratory {
  readonly #options: ProveOptions
  readonly #server: Database
  readonly #prefix = `imhotep_proof_${randomBytes(4).toString('hex')}`
  readonly #names: string[] = []
  readonly #roles: string[] = []
  readonly #open = new Map<string, Database>()

  constructor(options: ProveOptions) {
    this.#options = options
    this.#server = connect(options.server, { applicationName: 'imhotep', max: 1 })
  }

  /** Makes a database, runs scripts on it, each as one transaction, and reads what is there. */
  async database(title: string, scripts: readonly string[]): Promise<Contents> {
    const name = `${this.#prefix}_${this.#names.length}`
    this.#names.push(name)
    await this.#server.query(`create database ${name} template template0 encoding 'UTF8'`)
    return this.again(title, name, scripts)
  }

  async again(title: string, name: string, scripts: readonly string[]): Promise<Contents> {
    this.#options.onProgress?.(title)
    const db = await this.open(name)
    for (const script of scripts) {
      this.#options.signal?.throwIfAborted()
      const connection = await db.dedicated()
      try {
        await connection.script(`begin;\n${script}\ncommit;`)
      } catch (cause) {
        throw new ProofNotPossibleError(title, cause)
      } finally {
        await connection.release()
      }
    }
    const { catalog } = keepSchemas(await readCatalog(db), this.#options.schemas)
    const details = (await readDetails(db)).filter(({ schema }) => schema === '' || catalog.schemas.has(schema))
    return { name, catalog, details }
  }

  async open(name: string): Promise<Database> {
    const known = this.#open.get(name)
    if (known) return known
    const db = connect(withDatabase(this.#options.server, name), { applicationName: 'imhotep', max: 2 })
    this.#open.set(name, db)
    return db
  }

  compare(left: Contents, right: Contents): Difference[] {
    return [...this.compareCatalogs(left, right), ...this.compareDetails(left, right)]
  }

  compareDetails(left: Contents, right: Contents): Difference[] {
    return compareDetails(left.details, right.details)
  }

  /** Roles are the server's: both sides have the same. */
  compareCatalogs(left: Contents, right: Contents): Difference[] {
    return compareCatalogs(left.catalog, right.catalog, { ignore: ({ object }) => object.startsWith('role ') })
  }

  /** An export names roles and does not make them. */
  async createRoles(source: readonly ParsedStatement[]): Promise<void> {
    for (const name of namedRoles(source)) {
      const [known] = await this.#server.query('select from pg_catalog.pg_roles where rolname = $1', [name])
      if (known) continue
      await this.#server.query(`create role ${quoteIdentifier(name)} nologin`)
      this.#roles.push(name)
    }
  }

  async close(): Promise<void> {
    for (const db of this.#open.values()) await db.close()
    for (const name of this.#names) await this.#server.query(`drop database if exists ${name} with (force)`)
    // Another database may have begun to use one meanwhile: then it stays.
    for (const role of this.#roles)
      await this.#server.query(`drop role if exists ${quoteIdentifier(role)}`).catch(() => undefined)
    await this.#server.close()
  }
}
