import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { looseOrphansOf, readEnvFile, readStatus, runServices, Split, workLooseKeysOf } from '@imhotep/split'
import { startLogicalServer } from '../support/logical-server.ts'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { generateNilecare } from './nilecare/generate.ts'
import { installNilecare, nilecareFolder } from './nilecare/install.ts'
import type { Location } from './nilecare/writer/location.ts'
import { Writer } from './nilecare/writer/writer.ts'

const rows = Number(process.env['IMHOTEP_SPLIT_ROWS'] ?? 60_000)
/** Commits a second. The copies share two cores with the writer and with other tests: they must be able to catch up. */
const rate = Number(process.env['IMHOTEP_SPLIT_RATE'] ?? 150)

test(
  `NileCare with ${rows} rows: all services move to databases of their own while the application writes`,
  { skip: needsMariadb, timeout: 1_800_000 },
  async (context) => {
    const server = await startLogicalServer()
    const directory = mkdtempSync(join(tmpdir(), 'imhotep-nilecare-'))
    await using shared = await mariadbDatabase()
    await installNilecare(shared.url)
    await generateNilecare(shared.url, { rows })
    const envDirectory = join(directory, 'env')
    const split = await Split.open({
      sourceUrl: shared.url,
      targetUrl: server.server.url(),
      schemaDirectory: join(directory, 'services'),
      envDirectory,
      signal: new AbortController().signal,
      say: () => {},
    })
    const plan = await split.makePlan(join(nilecareFolder, 'nilecare.yaml'))
    const writer = new Writer({
      rate,
      route: (service): Location => {
        const { DATABASE_URL: url = shared.url, IMHOTEP_SPLIT_ROUTE: route } = readEnvFile(
          join(envDirectory, `${service}.env`),
        )
        return { kind: route === 'own' ? 'postgres' : 'mariadb', url }
      },
    })
    try {
      await pause(1000)

      const results = await runServices(split, {
        services: plan.services.map(({ name }) => name),
        goal: 'reversible',
        retire: true,
      })
      await pause(500)
      const report = await writer.stop()
      const journal = await writer.checkJournal()
      await workLooseKeysOf(split, new AbortController().signal)
      const status = await readStatus(split)

      context.diagnostic(JSON.stringify({ report, results }))
      assert.deepEqual(journal.problems, [])
      assert.ok(report.commits > 500 && report.acrossServices > 10, `${report.commits} commits`)
      assert.equal(results.length, plan.services.length)
      assert.ok(results.every(({ state, verifiedRows }) => state === 'retired' && (verifiedRows ?? 0) > 0))
      assert.equal(status.servicesWithOwnDatabase, plan.services.length)
      assert.equal(status.sharedTables, 0)
      assert.equal(status.crossingKeys, 0)
      assert.equal(status.verifiedShare, 1)
      assert.deepEqual(await looseOrphansOf(split, new AbortController().signal), [])
    } finally {
      await writer.stop().catch(() => undefined)
      await split.close()
      await server.remove()
      rmSync(directory, { recursive: true })
    }
  },
)
