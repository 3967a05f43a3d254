import { connect, describeTarget } from '@imhotep/postgres'
import { compareCatalogs, type Difference } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import { historyTable } from '../migrate/history-table.ts'
import { markBaseline, type BaselineOptions } from '../migrate/mark-baseline.ts'
import { AdoptRefusedError } from './errors.ts'
import { keepSchemas } from './keep-schemas.ts'
import type { Baseline, MakeBaselineOptions } from './make-baseline.ts'

export interface AdoptOptions extends BaselineOptions, Pick<MakeBaselineOptions, 'owner' | 'grants' | 'schemas'> {
  /** Adopt the database although it differs. */
  readonly force?: boolean
}

export interface Adopted {
  readonly marked: readonly string[]
  /** What was passed over with `force`. */
  readonly differences: readonly { readonly object: string; readonly message: string }[]
}

/**
 * Records the plain baseline as applied on a database that was there before it, once the database is found to be what the
 * export says.
 * @throws AdoptRefusedError, UnknownVersionError, BaselineRefusedError when the database has a history
 */
export async function adoptDatabase(
  url: string,
  version: string,
  plain: Baseline,
  options: AdoptOptions,
): Promise<Adopted> {
  const differences = await differencesOf(url, plain, options)
  if (differences.length > 0 && options.force !== true)
    throw new AdoptRefusedError(describeTarget(url).database, differences)
  const { marked } = await markBaseline(url, version, options)
  return { marked: marked.map((file) => file.version), differences }
}

async function differencesOf(url: string, plain: Baseline, options: AdoptOptions): Promise<Adopted['differences']> {
  const db = connect(url, { applicationName: 'imhotep', max: 4 })
  try {
    const live = keepSchemas(await readCatalog(db), options.schemas).catalog
    const history = historyTable(options.historyTable)
    const ignore = (difference: Difference) => isIgnored(difference, history, options)
    return compareCatalogs(plain.plain, live, { ignore }).map(({ object, kind, property, left, right }) => ({
      object,
      message:
        property === null
          ? { missing: 'is not in the database', extra: 'is not in the export', changed: 'differs' }[kind]
          : `${property} is ${JSON.stringify(right)} in the database, ${JSON.stringify(left)} in the export`,
    }))
  } finally {
    await db.close()
  }
}

/** The history of an interrupted first run, roles of the server, rows of a materialized view, and what was dropped on request. */
function isIgnored(
  { object, property }: Difference,
  history: { readonly schema: string; readonly name: string },
  { owner = 'drop', grants = 'keep' }: AdoptOptions,
): boolean {
  // No dump fills a materialized view before it has restored the rows.
  if (object.startsWith('role ') || property === 'withData') return true
  if (object === `table ${history.schema}.${history.name}` || object === `schema ${history.schema}`) return true
  return (property === 'owner' && owner === 'drop') || (property === 'grants' && grants === 'drop')
}
