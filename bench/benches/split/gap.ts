import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readEnvFile, revert, run, Split } from '@imhotep/split'
import { runOn } from '../../../tests/support/logical-server.ts'
import { generateNilecare } from '../../../tests/split/nilecare/generate.ts'
import { installNilecare, nilecareFolder } from '../../../tests/split/nilecare/install.ts'
import type { Location } from '../../../tests/split/nilecare/writer/location.ts'
import { WriterProcess } from '../../../tests/split/nilecare/writer/writer-process.ts'
import type { Servers } from './servers.ts'

const switches = 20

/** How long clients of a service wait while it is switched and while it is reverted, over twenty of each. */
export async function gapFigures(servers: Servers, kind: 'mariadb' | 'postgres') {
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-bench-gap-'))
  const { url: sourceUrl, map } = await sharedDatabase(servers, kind, directory)
  const envDirectory = join(directory, 'env')
  const split = await Split.open({
    sourceUrl,
    targetUrl: servers.targetUrl,
    schemaDirectory: join(directory, 'services'),
    envDirectory,
    signal: new AbortController().signal,
    say: () => {},
  })
  const plan = await split.makePlan(map)
  const own = plan.services.find(({ name }) => name === 'lab')?.database ?? ''
  const writer = await WriterProcess.start({
    services: ['lab'],
    rate: 350,
    route: (service): Location => {
      const { DATABASE_URL: url = sourceUrl, IMHOTEP_SPLIT_ROUTE: route } = readEnvFile(
        join(envDirectory, `${service}.env`),
      )
      return { kind: route === 'own' ? 'postgres' : kind, url }
    },
  })
  const there: number[] = []
  const back: number[] = []
  for (let round = 0; round < switches; round += 1) {
    const move = await split.moveOf('lab')
    let since = performance.timeOrigin + performance.now()
    const { entry, reverse } = await run(move, 'reversible')
    await pause(300)
    there.push(await writer.longestGap('lab', since))
    if (!reverse) throw new Error('lab did not switch')
    since = performance.timeOrigin + performance.now()
    await revert(move, entry, reverse)
    await reverse.stop()
    await pause(300)
    // a database that clients are connected to is not dropped for the next round
    await runOn(servers.targetUrl, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${own}'`)
    back.push(await writer.longestGap('lab', since))
  }
  const report = await writer.stop()
  const { problems } = await writer.checkJournal()
  await split.close()
  rmSync(directory, { recursive: true })
  const goal = kind === 'mariadb' ? '<= 500' : '<= 250'
  return [
    { name: `${kind}: gap of a switch, p95 of ${switches}`, value: percentile(there, 95), unit: 'ms' as const, goal },
    { name: `${kind}: gap of a switch, median`, value: percentile(there, 50), unit: 'ms' as const },
    { name: `${kind}: gap of a revert, p95`, value: percentile(back, 95), unit: 'ms' as const },
    { name: `${kind}: commits of the writer`, value: report.commitsPerSecond, unit: '/s' as const, goal: '>= 300' },
    { name: `${kind}: rows lost, doubled or old`, value: problems.length, unit: '' as const, goal: '= 0' },
  ]
}

async function sharedDatabase(servers: Servers, kind: 'mariadb' | 'postgres', directory: string) {
  if (kind === 'mariadb') {
    const url = await servers.mariadbDatabase('bench_gap')
    await installNilecare(url)
    await generateNilecare(url, { rows: 20_000 })
    const map = join(nilecareFolder, 'nilecare.yaml')
    return { url, map }
  }
  const url = await servers.postgresDatabase('bench_lab')
  const tables = fileURLToPath(new URL('../../../tests/split/nilecare/writer/lab.postgres.sql', import.meta.url))
  await runOn(url, readFileSync(tables, 'utf8'))
  const map = join(directory, 'owners.yaml')
  writeFileSync(map, 'services:\n  lab: {}\ntables:\n  lab_orders: lab\n  lab_order_items: lab\n')
  return { url, map }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil((share / 100) * sorted.length) - 1] ?? Number.NaN
}
