import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  applyEdits,
  excerpts,
  knownOf,
  lintFiles,
  planKnexSources,
  withoutKnown,
  type Finding,
  type KnownFindings,
  type LintReport,
} from '@imhotep/engine'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context, Options } from '../context.ts'
import { LintInputError } from '../errors.ts'
import { namedFromTop, readLintInputs } from '../lint/lint-inputs.ts'
import { lintSettings } from '../lint/lint-settings.ts'
import { lintFormats, printLint, type LintData } from '../output/lint.ts'
import { placeholderOption } from '../project/placeholders.ts'
import { configAround } from '../project/project.ts'

export const lint = defineCommand<LintData>({
  name: 'lint',
  summary: 'check a history of migrations without a database',
  description:
    'Runs every file in a simulated catalog and judges each statement with what is there at that moment: what fails on a new ' +
    'database, what locks or rewrites tables that are in use, what loses data. Give a directory for a whole history; single files ' +
    'are taken for an excerpt, whose tables exist. A comment `-- imhotep:ignore <rule> <reason>` before a statement silences a ' +
    'rule there; the config file changes severities and says what the schema promises. Exit code 1 when a finding is an error.',
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
    {
      flags: '--schema <name>',
      description:
        'where names without a schema belong (default: the one schema that the files never create, else public)',
    },
    placeholderOption,
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
  const config = configAround(cwd)
  const planned = await planKnexSources(inputs.sources, cwd)
  for (const note of planned.notes) progress(note)
  const report = planned.atSource(await lintFiles(planned.sources, await lintSettings(config, options, inputs, cwd)))
  const fixed = options.flag('fix') ? fixFiles(report, cwd) : 0
  const left = leaveOutKnown(report, options.text('known') ?? config.lint?.knownFindings, options, cwd)
  const print = lintFormats[options.text('format') ?? '']
  const document = print === undefined ? null : print(await namedFromTop(left.findings, cwd))
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
  name: string | undefined,
  options: Options,
  cwd: string,
): { findings: readonly Finding[]; known: number } {
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
