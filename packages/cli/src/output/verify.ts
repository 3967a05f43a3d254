import type { ComplianceReport } from '@imhotep/compliance'
import type { VerifyReport } from '@imhotep/engine'
import { count, seconds, type Page, type Tone } from './page.ts'

export type VerifyData = VerifyReport | ComplianceData

export interface ComplianceData {
  readonly compliance: ComplianceReport
  /** The report in the format that was asked for, to be printed; null when it went to a file or none was asked for. */
  readonly document: string | null
  /** Verdicts that were kept in the database; null when none were to be. */
  readonly recorded: number | null
  /** File that the report went to. */
  readonly file: string | null
}

const TONES: Record<string, Tone> = { error: 'bad', warning: 'warn', info: 'dim' }

export function printVerify(data: VerifyData, page: Page): void {
  if ('compliance' in data) printCompliance(data, page)
  else printSchemaCheck(data, page)
}

function printCompliance({ compliance, recorded, document, file }: ComplianceData, page: Page): void {
  if (document !== null) {
    page.line(document.trimEnd())
    return
  }
  for (const { id, rule, verdict, evidence, offenders } of compliance.results) {
    if (verdict === 'pass') continue
    page.line(`${page.paint(verdict, verdict === 'fail' ? 'bad' : 'warn')} ${id}: ${rule}`)
    page.line(page.paint(`  ${evidence}`, 'dim'))
    for (const offender of offenders.slice(0, 20)) page.line(`  ${offender}`)
  }
  page.table(
    Object.entries(compliance.counts).map(([family, counts]) => [
      family,
      counts.pass,
      counts.fail,
      counts['not applicable'],
      counts['needs a person'],
    ]),
    ['family', 'pass', 'fail', 'not applicable', 'needs a person'],
  )
  page.line(`${count(compliance.results.length, 'rule')}, ${seconds(compliance.ms)}`)
  if (recorded !== null) page.line(`${count(recorded, 'verdict')} kept in compliance.compliance_checks`)
  if (file !== null) page.line(`report: ${file}`)
}

function printSchemaCheck(report: VerifyReport, page: Page): void {
  for (const { severity, rule, object, message, help } of report.findings) {
    page.line(`${page.paint(severity, TONES[severity] ?? 'plain')} ${rule}: ${object ?? ''} ${message}`)
    page.line(page.paint(`  ${help}`, 'dim'))
  }
  const found = count(report.findings.length, 'finding')
  page.line(`${count(report.checks, 'check')} on ${count(report.tables, 'table')}, ${found}, ${seconds(report.ms)}`)
  if (report.attack !== null) printAttack(report.attack, page)
}

function printAttack(attack: NonNullable<VerifyReport['attack']>, page: Page): void {
  for (const { object, attempt, evidence } of attack.through) {
    page.line(`${page.paint('got through', 'bad')} ${object}: ${attempt} (${evidence})`)
  }
  if (attack.untested.length > 0) {
    page.line(`${page.paint('not tried', 'warn')} ${count(attack.untested.length, 'attempt')}, grouped by reason:`)
    for (const [reason, objects] of groupByReason(attack.untested)) page.line(`  ${reason}: ${objects.join(', ')}`)
  }
  if (attack.alike > 0)
    page.line(`${count(attack.alike, 'partition')} left out, with the guards of others that were attacked`)
  const through = page.paint(`${attack.through.length} through`, attack.through.length === 0 ? 'good' : 'bad')
  page.line(`${count(attack.attempts, 'attempt')} to reach another tenant's rows, ${through}`)
}

function groupByReason(
  untested: readonly { readonly object: string; readonly reason: string }[],
): Map<string, string[]> {
  const groups = new Map<string, Set<string>>()
  for (const { object, reason } of untested) groups.set(reason, (groups.get(reason) ?? new Set()).add(object))
  return new Map([...groups].map(([reason, objects]) => [reason, [...objects]]))
}
