import type { BenchResult } from '../report.ts'
import type { BenchOptions } from '../run.ts'
import { copyFigures, subscriptionFigures } from './split/copy.ts'
import { gapFigures } from './split/gap.ts'
import { joinFigures } from './split/joins.ts'
import { startServers } from './split/servers.ts'

/** What a split costs: rows copied and compared, clients stopped, and what replaces a join. */
export async function split(options: BenchOptions): Promise<BenchResult> {
  const servers = await startServers()
  try {
    const copies = await copyFigures(servers, options)
    const subscription = await subscriptionFigures(servers, options)
    const gaps = [...(await gapFigures(servers, 'postgres')), ...(await gapFigures(servers, 'mariadb'))]
    const joins = await joinFigures(servers)
    return {
      bench: 'split',
      measured: [...copies.measured, ...subscription.measured, ...joins.measured],
      figures: [...copies.figures, ...subscription.figures, ...gaps, ...joins.figures],
      skipped: copies.skipped,
      setting: { rows: 300_000 * options.scale, mariadb: '10.11', postgres: 18 },
    }
  } finally {
    await servers.close()
  }
}
