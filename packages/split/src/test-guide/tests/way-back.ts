import { tableId } from '../../model.ts'
import { fail, notApplicable, pass, type GuideTest } from '../guide-test.ts'
import { readLag } from '../../status/read-lag.ts'
import { lagText } from '../../status/figures.ts'

/** More than this and a revert makes clients wait for minutes. */
const smallBytes = 64 * 1_048_576

export const wayBack: GuideTest = {
  name: 'way back',
  asks: 'could the service go back to the shared database now, with everything written since?',
  async run({ split, service, entry, isOwn }) {
    const { name, database, tables } = service
    if (entry.state === 'retired') return notApplicable('the way back was given up: imhotep split retire')
    if (!isOwn) return pass('clients use the shared database: imhotep split cancel leaves it as it is')
    const lag = await readLag(split, { name, database }, entry.state)
    if (lag === null)
      return fail('the log of the way back is not open: what was written here would be lost by a revert')
    const present = new Set((await split.source.side.catalog()).tables.map(tableId))
    const missing = tables.filter(({ source }) => !present.has(tableId(source)))
    if (missing.length > 0)
      return fail(`${missing.length} tables are gone from the shared database, first ${tableId(missing[0]!.source)}`)
    if (lag.bytes !== null && lag.bytes > smallBytes) {
      return fail(`the shared database is behind (${lagText(lag)}): let it follow with imhotep split follow`)
    }
    return pass(`the log of the way back is open: ${lagText(lag)}`)
  },
}
