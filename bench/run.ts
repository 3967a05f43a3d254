// npm run bench [NAME ...] [-- --scale 10]: runs the benches, prints ratios of one run and writes bench/results/NAME.json.
import { mkdtempSync, rmSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '@imhotep/postgres'
import { auditRead } from './benches/audit-read.ts'
import { auditWrite } from './benches/audit-write.ts'
import { booking } from './benches/booking.ts'
import { catalog } from './benches/catalog.ts'
import { install } from './benches/install.ts'
import { lint } from './benches/lint.ts'
import { rls } from './benches/rls.ts'
import { split } from './benches/split.ts'
import { printResult, reached, writeResult, type BenchResult } from './report.ts'

export interface BenchOptions {
  /** Superuser URL of a server of the bench's own, with fsync on. */
  readonly server: string
  /** Multiplies rows; 1 by default, 10 shows how cost grows. */
  readonly scale: number
}

const benches: Record<string, (options: BenchOptions) => Promise<BenchResult>> = {
  install,
  lint,
  catalog,
  rls,
  'audit-write': auditWrite,
  'audit-read': auditRead,
  booking,
  split,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: '1' } },
})
const unknown = positionals.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`no bench "${unknown.join('", "')}"; there are: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
const scale = Number(values.scale)
const directory = mkdtempSync(join(tmpdir(), 'imhotep-bench-'))
chmodSync(directory, 0o755)
const server = await startEmbedded({
  directory,
  settings: {
    max_connections: '300',
    shared_buffers: '512MB',
    max_wal_size: '4GB',
    max_pred_locks_per_transaction: '512',
  },
})
const results = fileURLToPath(new URL('results', import.meta.url))
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
    const result = await benches[name]?.({ server: server.url(), scale })
    if (result === undefined) continue
    printResult(result)
    if (scale === 1) writeResult(results, result)
    if (result.figures.some((figure) => reached(figure) === false)) process.exitCode = 1
  }
} finally {
  await server.stop('immediate')
  rmSync(directory, { recursive: true, force: true })
}
