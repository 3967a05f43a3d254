import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  complianceHtml,
  complianceMarkdown,
  isCompliant,
  recordCompliance,
  ruleFamilies,
  runCompliance,
  type ComplianceReport,
} from '@imhotep/compliance'
import { isVerified, verifyDatabase } from '@imhotep/engine'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context, Options } from '../context.ts'
import { UnknownFamilyError } from '../errors.ts'
import { printVerify, type VerifyData } from '../output/verify.ts'
import { projectPolicy } from '../project/project-policy.ts'
import { configAround } from '../project/project.ts'
import { toolVersion } from '../project/tool-version.ts'
import { withTarget, type OpenTarget } from '../target/open-target.ts'

const reports: Readonly<Record<string, (report: ComplianceReport) => string>> = {
  html: complianceHtml,
  markdown: complianceMarkdown,
  json: (report) => `${JSON.stringify(report, null, 2)}\n`,
}

export const verify = defineCommand<VerifyData>({
  name: 'verify',
  summary: 'check the live database against its rules, and try to break them',
  description:
    'Reads the catalog of the database and checks every rule: row level security on, forced and with the one policy text, ' +
    'the tenant in every key, audit triggers, grants, append-only tables. With --attack it also tries, table by table, to reach ' +
    "another tenant's rows as an application would; everything it tries is rolled back. With --rules it checks what a hospital is " +
    'inspected against instead (HIPAA, DPDP, ABDM, NHCX, PM-JAY, FHIR, ISO 15189, NABH, PCI DSS) and reports each rule with its ' +
    'evidence. Exit code 1 when a rule is broken or an attempt got through.',
  options: [
    { flags: '--attack', description: "try to reach another tenant's rows; everything is rolled back" },
    { flags: '--quick', description: 'with --attack: the essential attempts only, in a few seconds' },
    { flags: '--role <role>', description: 'attack as this role (default: imhotep_app)' },
    {
      flags: '--rules <families>',
      description: `compliance rules: all, or of ${ruleFamilies.map(({ name }) => name).join(', ')}`,
    },
    {
      flags: '--report <format>',
      description: 'print the compliance report in this format',
      choices: Object.keys(reports),
    },
    { flags: '--output <file>', description: 'write the report to this file instead' },
    { flags: '--record', description: 'keep the verdicts of --rules in compliance.compliance_checks' },
  ],
  examples: [
    { run: 'imhotep verify', does: 'check the rules' },
    { run: 'imhotep verify --attack', does: 'check the rules and try to break the isolation' },
    { run: 'imhotep verify --attack --role booking_owner', does: 'attack as the owner of a service' },
    { run: 'imhotep verify --rules hipaa,abdm', does: 'check two families of compliance rules' },
    { run: 'imhotep verify --rules all --report html --output report.html', does: 'a report for the inspector' },
  ],
  printsDocument: (options) => options.text('report') !== undefined && options.text('output') === undefined,
  run: (context) => {
    const families = familiesOf(context.options)
    const attacks = context.options.flag('attack') || context.options.text('role') !== undefined
    return withTarget(
      context,
      (open) => (families === null ? checkSchema(open, context) : inspect(open, families, context)),
      { interruptible: !attacks && !context.options.flag('record') },
    )
  },
  print: printVerify,
})

async function checkSchema({ db, target }: OpenTarget, context: Context): Promise<Outcome<VerifyData>> {
  const role = context.options.text('role')
  const policy = projectPolicy(configAround(context.cwd))
  const data = await verifyDatabase(db, {
    attack:
      context.options.flag('attack') || role !== undefined ? (context.options.flag('quick') ? 'quick' : 'full') : false,
    onProgress: context.progress,
    signal: context.signal,
    policy: { ...policy, ...(role === undefined ? {} : { attackRole: role }) },
  })
  return { ok: isVerified(data), target, data }
}

async function inspect(
  { db, target }: OpenTarget,
  families: readonly string[],
  { options, cwd, progress }: Context,
): Promise<Outcome<VerifyData>> {
  const compliance = await runCompliance(db, { families, onProgress: progress })
  const recorded = options.flag('record') ? await recordCompliance(db, compliance, toolVersion()) : null
  const format = options.text('report')
  const document = format === undefined ? null : (reports[format]?.(compliance) ?? null)
  const file = options.text('output')
  if (document !== null && file !== undefined) await writeFile(resolve(cwd, file), document)
  const data = {
    compliance,
    recorded,
    document: file === undefined ? document : null,
    file: document === null ? null : (file ?? null),
  }
  return { ok: isCompliant(compliance), target, data }
}

/** Null when no compliance rules are asked for. */
function familiesOf(options: Options): readonly string[] | null {
  const given = options.text('rules') ?? (options.text('report') === undefined ? undefined : 'all')
  if (given === undefined) return null
  const known = ruleFamilies.map(({ name }) => name)
  const names = given === 'all' ? known : given.split(',').map((name) => name.trim())
  for (const name of names) if (!known.includes(name)) throw new UnknownFamilyError(name, known)
  return names
}
