import {
  figures,
  lagText,
  serves,
  type GuideReport,
  type ServicePlan,
  type SplitStatus,
  type Verification,
} from '@imhotep/split'
import type { SplitData } from '../split/data.ts'
import { count, type Page } from './page.ts'

export function printSplit(data: SplitData, page: Page): void {
  switch (data.action) {
    case 'suggest':
      page.line(`a first draft is in ${data.file}: read every line, then: ${page.command('split map')}`)
      return
    case 'map':
      page.table(
        data.services.map(({ name, database, tables }) => [name, database ?? 'no database', tables]),
        ['service', 'database', 'tables'],
      )
      page.line(`every one of ${count(data.tables, 'table')} has an owner`)
      return
    case 'deps':
      page.line(data.text)
      return
    case 'plan':
      printPlan(data.plan.services, page)
      return
    case 'run':
      page.table(
        data.results.map(({ service, state, verifiedRows, gapMs, seconds }) => [
          service,
          state,
          verifiedRows ?? '-',
          gapMs === null ? '-' : `${gapMs} ms`,
          `${seconds.toFixed(1)} s`,
        ]),
        ['service', 'state', 'rows verified', 'clients stopped', 'took'],
      )
      return
    case 'verify':
      printVerification(data.service, data.verification, page)
      return
    case 'state':
      page.line(`${data.service} is ${data.state}: clients use the ${serves(data.state)} database`)
      return
    case 'follow':
      page.line(`followed ${data.services.join(', ')}`)
      return
    case 'follow-stop':
      page.line(
        `nothing remembers changes of ${data.services.join(', ')} for follow any more: leave it to imhotep relay`,
      )
      return
    case 'loose-keys':
      page.line(`settled ${count(data.keys, 'deleted key')}: ${count(data.rows, 'row')} changed`)
      for (const { name, keys } of data.orphans) page.line(`${name}: ${count(keys, 'key')} lead nowhere`)
      return
    case 'status':
      printStatus(data.status, page)
      return
    case 'test':
      printGuide(data.report, page)
      return
    case 'export':
    case 'import':
      page.line(`${data.action}ed ${count(data.rows, 'row')} of ${count(data.tables, 'table')}: ${data.directory}`)
      return
  }
}

function printPlan(services: readonly ServicePlan[], page: Page): void {
  page.table(
    services.map(({ name, database, tables, rows, bytes, crossingKeys }) => [
      name,
      database,
      tables.length,
      rows,
      `${(bytes / 1_048_576).toFixed(0)} MB`,
      crossingKeys.length,
    ]),
    ['service', 'database', 'tables', 'rows', 'size', 'keys across'],
  )
  const findings = services.flatMap((service) =>
    service.findings.map((finding) => ({ ...finding, service: service.name })),
  )
  for (const { service, table, column, kind, rows, decision } of findings) {
    page.line(
      `${service}: ${table.name}.${column}: ${kind}${rows === null ? '' : ` in ${count(rows, 'row')}`}: ${decision}`,
    )
  }
  for (const { name, leftOut } of services) {
    for (const { object, reason } of leftOut) page.line(page.paint(`${name}: left out ${object}: ${reason}`, 'dim'))
  }
  if (services.some(({ crossingKeys }) => crossingKeys.length > 0)) {
    page.line(
      `keys across become loose foreign keys: ${page.command('split deps')} lists them, ` +
        `${page.command('split loose-keys')} does what they did`,
    )
  }
  page.line('three ways on:')
  page.line(`  automated: ${page.command('split run --all')}`)
  page.line(
    `  hybrid, a service at a time: ${['copy', 'verify', 'switch --dry-run', 'switch', 'retire'].map((step) => page.command(`split ${step} <service>`)).join(', ')}`,
  )
  page.line(
    `  manual, with clients stopped: ${page.command('split export <service>')}, ${page.command('split import <service>')}`,
  )
}

function printVerification(service: string, { equal, rows, tables, heldMs }: Verification, page: Page): void {
  for (const { table, mismatches, truncated } of tables.filter((one) => one.mismatches.length > 0)) {
    for (const { key, kind, columns } of mismatches) {
      page.line(`${table} (${key.join(', ')}): ${kind}${columns.length > 0 ? ` in ${columns.join(', ')}` : ''}`)
    }
    if (truncated) page.line(`${table}: more rows differ`)
  }
  const verdict = equal ? page.paint('equal', 'good') : page.paint('not equal', 'bad')
  page.line(
    `${service}: ${verdict}, ${count(rows, 'row')} of ${count(tables.length, 'table')} compared (held for ${heldMs.toFixed(0)} ms)`,
  )
}

function printGuide({ results, passed, failed, notApplicable }: GuideReport, page: Page): void {
  const tones = { pass: 'good', fail: 'bad', 'not applicable': 'dim' } as const
  for (const service of new Set(results.map((result) => result.service))) {
    page.line(page.paint(service, 'bold'))
    for (const { number, name, verdict, reason } of results.filter((result) => result.service === service)) {
      page.line(
        `  ${String(number).padStart(2)}  ${page.paint(verdict.padEnd(14), tones[verdict])}  ${name}: ${reason}`,
      )
    }
  }
  page.line(`${passed} passed, ${failed} failed, ${notApplicable} not applicable`)
}

/** Also said again and again by `--watch`. */
export function printStatus(status: SplitStatus, page: Page): void {
  const mark = (isSo: boolean) => ({ text: isSo ? 'yes' : 'no', tone: isSo ? ('good' as const) : ('warn' as const) })
  page.table(
    status.services.map((one) => [
      one.service,
      one.database,
      one.state,
      one.serves,
      one.tables,
      one.verified?.rows ?? '-',
      one.crossingKeys,
      one.queriesAcross,
      lagText(one.lag),
      mark(one.isolation.isolated),
      one.deployment.migrations,
      mark(one.deployment.independent),
    ]),
    [
      'service',
      'database',
      'state',
      'clients use',
      'tables',
      'rows verified',
      'keys across',
      'queries',
      'log to apply',
      'isolated',
      'migrations',
      'independent',
    ],
  )
  page.line()
  page.table(
    figures(status).map(({ name, value, reached }) => [name, { text: value, tone: reached ? 'good' : 'warn' }]),
  )
}
