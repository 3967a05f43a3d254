import type { ChainReport, PackedPartition, SealedRange } from '@imhotep/kernel'
import { count, sum, type Page } from './page.ts'

export type AuditData =
  | { readonly action: 'seal'; readonly logs: readonly SealedRange[] }
  | { readonly action: 'pack'; readonly months: readonly PackedPartition[] }
  | { readonly action: 'verify'; readonly logs: readonly ChainReport[] }

export function printAudit(data: AuditData, page: Page): void {
  if (data.action === 'seal') printSeal(data.logs, page)
  else if (data.action === 'pack') printPacked(data.months, page)
  else printChains(data.logs, page)
}

function printSeal(logs: readonly SealedRange[], page: Page): void {
  page.table(
    logs.map(({ tenant, log, rows }) => [tenant, log, rows]),
    ['tenant', 'log', 'rows sealed'],
  )
  page.line(`${count(sum(logs.map(({ rows }) => rows)), 'row')} sealed`)
}

function printPacked(months: readonly PackedPartition[], page: Page): void {
  page.table(
    months.map(({ partition, tenants, rows, dropped }) => [partition, tenants, rows, dropped ? 'yes' : 'not yet']),
    ['month', 'tenants', 'rows packed', 'dropped'],
  )
  page.line(months.length === 0 ? 'no month ended long enough ago' : `${count(months.length, 'month')} packed`)
}

function printChains(logs: readonly ChainReport[], page: Page): void {
  const isSigned = logs.some(({ signedSeals }) => signedSeals !== null)
  page.table(
    logs.map(({ tenant, log, seals, signedSeals, sealedRows, unsealedRows, problems }) => [
      tenant,
      log,
      seals ?? 0,
      ...(signedSeals === null ? [] : [signedSeals]),
      sealedRows,
      unsealedRows,
      problems.length,
    ]),
    ['tenant', 'log', 'seals', ...(isSigned ? ['signed'] : []), 'rows sealed', 'not sealed yet', 'problems'],
  )
  for (const { tenant, log, problems } of logs) {
    for (const { seal, seq, problem } of problems) {
      const row = seq === null ? '' : `, row ${seq}`
      page.line(`${page.paint('changed', 'bad')} ${log} of ${tenant}, seal ${seal}${row}: ${problem}`)
    }
  }
  const problems = sum(logs.map((log) => log.problems.length))
  const sealed = sum(logs.map(({ sealedRows }) => sealedRows))
  page.line(problems === 0 ? `${count(sealed, 'sealed row')}, none was changed` : count(problems, 'problem'))
}
