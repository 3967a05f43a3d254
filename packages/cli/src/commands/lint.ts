import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  applyEdits,
  excerpts,
  knownOf,
  lintFiles,
  lintRules,
  planKnexSources,
  withoutKnown,
  type Finding,
  type KnownFindings,
  type LintReport,
  type LintRule,
} from '@imhotep/engine'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context, Options } from '../context.ts'
import { LintInputError, UnknownRuleError } from '../errors.ts'
import { appliedSince, readLintInputs } from '../lint/lint-inputs.ts'
import { lintFormats, printLint, type LintData } from '../output/lint.ts'

export const lint = defineCommand<LintData>({
  name: 'lint',
  summary: 'check a history of migrations without a database',
  description:
    'Runs every file in a simulated catalog and judges each statement with what is there at that moment: what fails on a new ' +
    'database, what locks or rewrites tables that are in use, what loses data. Give a directory for a whole history; single files ' +
    'are taken for an excerpt, whose tables exist. A comment `-- imhotep:ignore <rule> <reason>` before a statement silences a ' +
    'rule there. Exit code 1 when a finding is an error.',
  arguments: [{ name: '[path...]', description: "directories or files (default: the project's migrations)" }],
  options: [
    {
      flags: '--since <version>',
      description: 'judge only what came after this version, or since this revision of git',
    },
    { flags: '--profile <name>', description: 'default, or all with the rules of style', choices: ['default', 'all'] },
    { flags: '--only <rules>', description: 'these rules only, separated by commas' },
    { flags: '--off <rules>', description: 'not these rules' },
    {
      flags: '--postgres <version>',
      description: 'major version of the server (default: 18)',
      choices: ['15', '16', '17', '18'],
    },
    { flags: '--schema <name>', description: 'where names without a schema belong (default: public)' },
    { flags: '--known <file>', description: 'leave out the findings that this file lists' },
    { flags: '--write-known', description: 'write all of today to the file of --known' },
    { flags: '--fix', description: 'change the files where that is safe' },
    { flags: '--format <format>', description: 'how to print the findings', choices: Object.keys(lintFormats) },
    { flags: '--output <file>', description: 'write there instead' },
  ],
  examples: [
    { run: 'imhotep lint', does: "judge the project's whole history" },
    { run: 'imhotep lint db/migration --since V004', does: 'judge what came after version 004' },
    { run: 'imhotep lint --since origin/main --format github', does: 'annotate a pull request' },
    { run: 'imhotep lint change.sql', does: 'judge one file against tables that exist' },
    { run: 'imhotep lint --known lint-known.json --write-known', does: 'adopt an old history as it is' },
  ],
  printsDocument: (options) => options.text('format') !== undefined && options.text('output') === undefined,
  run: runLint,
  print: printLint,
})

async function runLint({ args, options, cwd, progress }: Context): Promise<Outcome<LintData>> {
  const inputs = readLintInputs(args, cwd)
  const since = options.text('since')
  const schema = options.text('schema')
  const planned = await planKnexSources(inputs.sources, cwd)
  for (const note of planned.notes) progress(note)
  const sqlReport = await lintFiles(planned.sources, {
    rules: chooseRules(options),
    complete: inputs.complete,
    serverVersion: Number(options.text('postgres') ?? 18),
    ...(schema === undefined ? {} : { searchPath: [schema, 'public'] }),
    ...(since === undefined ? {} : await appliedSince(since.replace(/^V(?=\d)/, ''), inputs, cwd)),
  })
  const report = planned.atSource(sqlReport)
  const fixed = options.flag('fix') ? fixFiles(report, cwd) : 0
  const left = leaveOutKnown(report, options, cwd)
  const format = options.text('format')
  const document = format === undefined ? null : (lintFormats[format]?.(left.findings) ?? null)
  const file = options.text('output')
  if (document !== null && file !== undefined) writeFileSync(resolve(cwd, file), `${document}\n`)
  const data = {
    files: report.files,
    statements: report.statements,
    findings: left.findings,
    suppressed: report.suppressed,
    known: left.known,
    fixed,
    excerpts: options.flag('json') ? [] : excerpts(left.findings, report.texts),
    document: file === undefined ? document : null,
    ms: report.ms,
  }
  return { ok: !left.findings.some(({ severity }) => severity === 'error'), target: null, data }
}

function chooseRules(options: Options): LintRule[] {
  const listOf = (name: string) =>
    options
      .text(name)
      ?.split(',')
      .map((id) => id.trim())
  const [only, off] = [listOf('only'), listOf('off') ?? []]
  const unknown = [...(only ?? []), ...off].find((id) => !lintRules.some((rule) => rule.id === id))
  if (unknown !== undefined) throw new UnknownRuleError(unknown)
  const isChosen = (rule: LintRule) =>
    only ? only.includes(rule.id) : rule.profile !== 'style' || options.text('profile') === 'all'
  return lintRules.filter((rule) => isChosen(rule) && !off.includes(rule.id))
}

/** Writes the changed files; returns how many changes that were. */
function fixFiles({ edits, texts }: LintReport, cwd: string): number {
  let changes = 0
  for (const [file, own] of edits) {
    const { text, made } = applyEdits(texts.get(file) ?? '', own)
    writeFileSync(resolve(cwd, file), text)
    changes += made
  }
  return changes
}

function leaveOutKnown(
  { findings }: LintReport,
  options: Options,
  cwd: string,
): { findings: readonly Finding[]; known: number } {
  const name = options.text('known')
  if (name === undefined) {
    if (options.flag('writeKnown')) throw new LintInputError('--write-known', 'needs --known <file>')
    return { findings, known: 0 }
  }
  const file = resolve(cwd, name)
  if (options.flag('writeKnown')) writeFileSync(file, `${JSON.stringify(knownOf(findings), null, 2)}\n`)
  return withoutKnown(findings, readKnown(file, name))
}

function readKnown(file: string, name: string): KnownFindings {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as KnownFindings
  } catch (cause) {
    throw new LintInputError(name, 'is not a file of known findings', { cause })
  }
}
