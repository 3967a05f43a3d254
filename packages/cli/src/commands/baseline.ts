import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { UsageError } from '@imhotep/base'
import {
  adoptDatabase,
  BaselineExistsError,
  baselineReport,
  makeBaseline,
  proveBaseline,
  readDump,
  writeDataFile,
  type Baseline,
  type BaselineFile,
  type MakeBaselineOptions,
  type Proof,
} from '@imhotep/engine'
import { connect, withTemporaryServer } from '@imhotep/postgres'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context, Options } from '../context.ts'
import { ProjectNotFoundError } from '../errors.ts'
import { printBaseline, type BaselineData } from '../output/baseline.ts'
import { projectPolicy } from '../project/project-policy.ts'
import { findProject } from '../project/project.ts'
import { readEnvironment } from '../target/environment.ts'
import { toTarget } from '../target/open-target.ts'
import type { Target } from '../target/target.ts'

const CHOICES = ['keep', 'drop']

export const baseline = defineCommand<BaselineData>({
  name: 'baseline',
  summary: 'make the first migration of an export of pg_dump',
  description:
    'Reads a plain-text export of pg_dump (9.6 to 18) and writes it as V001: one canonical text, ordered by dependency, each ' +
    'statement repeatable. With --tenant, --rls, --audit and --compliance it adds what the rules of verify ask for, and lists ' +
    'every addition with its rule. --prove runs the export and the result on scratch databases and compares. --adopt marks the ' +
    'plain baseline as applied on a database that was there before; additions are then a migration of their own, V002.',
  arguments: [{ name: '<dump>', description: 'file of pg_dump, plain text' }],
  options: [
    { flags: '--output <path>', description: 'file or directory to write (default: db/migration)' },
    { flags: '--split', description: 'a file for each of extensions, types, tables, functions, security, indexes' },
    { flags: '--schema <name...>', description: 'only these schemas' },
    { flags: '--owner <what>', description: 'keep or drop who owns what (default: drop)', choices: CHOICES },
    { flags: '--grants <what>', description: 'keep or drop grants (default: keep)', choices: CHOICES },
    {
      flags: '--data <what>',
      description: 'keep rows as a second migration, or drop them (default)',
      choices: CHOICES,
    },
    { flags: '--tenant', description: 'give every tenant table the tenant: column, keys, indexes, references' },
    { flags: '--tenant-default <uuid>', description: 'the tenant of rows that are there already' },
    { flags: '--rls', description: 'row level security and rights of the application' },
    { flags: '--audit', description: 'audit columns and a log of every change' },
    { flags: '--compliance', description: 'classes, owners and retention as comments; soft delete' },
    { flags: '--increment', description: 'write the additions as a migration of their own behind the plain baseline' },
    { flags: '--prove', description: 'run it on scratch databases and compare; exit code 1 when it differs' },
    { flags: '--server <url>', description: 'server for the scratch databases (default: an embedded one)' },
    { flags: '--adopt <url>', description: 'mark it as applied on this database, once it is found equal' },
    { flags: '--force', description: 'write over files; adopt a database that differs' },
    { flags: '--report <file>', description: 'write every addition with its rule as Markdown' },
  ],
  examples: [
    { run: 'imhotep baseline dump.sql', does: 'write db/migration/V001__baseline.sql' },
    { run: 'imhotep baseline dump.sql --prove', does: 'the same, and show that nothing was lost' },
    { run: 'imhotep baseline dump.sql --tenant --rls --audit --report added.md', does: 'made for many tenants' },
    { run: 'imhotep baseline dump.sql --data keep', does: 'with its rows, as V001_1__data.sql' },
    { run: 'imhotep baseline dump.sql --adopt $DATABASE_URL', does: 'a database that is there: it has V001 already' },
  ],
  run: runBaseline,
  print: printBaseline,
})

async function runBaseline(context: Context): Promise<Outcome<BaselineData>> {
  const started = performance.now()
  const { options, cwd, progress, signal } = context
  const input = resolve(cwd, context.args[0] ?? '')
  const settings = projectSettings(cwd)
  const make: MakeBaselineOptions = { ...makeOptions(options), policy: settings.policy }
  checkOptions(options)

  progress(`reading ${basename(input)}`)
  const dump = await readDump(input, { signal })
  const made = await makeBaseline(dump, make)
  const place = outputPlace(options.text('output'), cwd, settings.migrations)
  const files =
    place.file === null ? made.files : made.files.map((file) => ({ ...file, name: place.file ?? file.name }))
  const paths = writeFiles(place.directory, files, options.flag('force'))

  const dataFile = options.text('data') === 'keep' ? join(place.directory, dataName(files)) : null
  const rows =
    dataFile === null
      ? null
      : (
          await writeDataFile(input, dataFile, {
            policy: settings.policy,
            tenantTables: tablesWithNewTenant(made, settings.policy.tenantColumn),
            tenant: options.text('tenantDefault'),
            schemas: make.schemas,
            signal,
          })
        ).rows
  const plain = made.additions.length === 0 ? made : await makeBaseline(dump, { ...make, ...NO_ADDITIONS })
  const proof = options.flag('prove') ? await prove(context, made, plain, dataFile) : null
  const isProven = proof === null || proof.differences.length === 0
  const report = options.text('report')
  if (report !== undefined) writeFileSync(resolve(cwd, report), baselineReport(made, proof))

  const adopt = options.text('adopt')
  const adopted =
    adopt === undefined || !isProven
      ? null
      : await adoptAt(context, adopt, plain, { ...place, historyTable: settings.historyTable })
  return {
    ok: isProven,
    target: adopted?.target ?? null,
    data: {
      input: relative(cwd, input),
      output: relative(cwd, paths.length === 1 ? (paths[0] ?? '') : place.directory) || '.',
      files: [...paths, ...(dataFile === null ? [] : [dataFile])].map((path) => relative(cwd, path)),
      tables: made.plain.tables.size,
      statements: made.source.length,
      rows,
      additions: made.additions,
      advice: made.advice,
      kept: made.kept.map(({ line, reason }) => ({ line, reason })),
      leftOut: dump.leftOut,
      proof,
      adopted: adopted === null ? null : { marked: adopted.marked, differences: adopted.differences },
      ms: Math.round(performance.now() - started),
    },
  }
}

const NO_ADDITIONS = { tenant: false, rls: false, audit: false, compliance: false, increment: false } as const

function makeOptions(options: Options): MakeBaselineOptions {
  const tenantDefault = options.text('tenantDefault')
  return {
    owner: options.text('owner') as MakeBaselineOptions['owner'],
    grants: options.text('grants') as MakeBaselineOptions['grants'],
    schemas: options.list('schema'),
    split: options.flag('split'),
    tenant: options.flag('tenant'),
    rls: options.flag('rls'),
    audit: options.flag('audit'),
    compliance: options.flag('compliance'),
    increment: options.flag('increment') || options.text('adopt') !== undefined,
    ...(tenantDefault === undefined ? {} : { tenantDefault }),
  }
}

function checkOptions(options: Options): void {
  const tenant = options.text('tenantDefault')
  if (tenant !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(tenant))
    throw new UsageError(`'${tenant}' is no UUID`, { hint: 'for example: --tenant-default $(uuidgen)' })
  if (options.flag('tenant') && options.text('data') === 'keep' && tenant === undefined)
    throw new UsageError('the rows of the export need a tenant', {
      hint: 'say whose they are: --tenant-default <uuid>',
    })
  if (options.flag('split') && options.text('output')?.endsWith('.sql'))
    throw new UsageError('--split writes several files, --output names one', {
      hint: 'name a directory: --output db/migration',
    })
}

/** A project is not needed: without one everything is as Imhotep does it. */
function projectSettings(cwd: string) {
  try {
    const { config, migrations } = findProject(cwd)
    return { policy: projectPolicy(config), migrations, historyTable: config.historyTable }
  } catch (error) {
    if (!(error instanceof ProjectNotFoundError)) throw error
    return { policy: projectPolicy({}), migrations: join(cwd, 'db', 'migration'), historyTable: undefined }
  }
}

/** A name that ends in .sql is one file, another one a directory. */
function outputPlace(
  output: string | undefined,
  cwd: string,
  migrations: string,
): { readonly directory: string; readonly file: string | null } {
  if (output === undefined) return { directory: migrations, file: null }
  const path = resolve(cwd, output)
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  return output.endsWith('.sql') && !isDirectory
    ? { directory: dirname(path), file: basename(path) }
    : { directory: path, file: null }
}

function writeFiles(directory: string, files: readonly BaselineFile[], force: boolean): string[] {
  const paths = files.map(({ name }) => join(directory, name))
  files.forEach(({ text }, n) => {
    const path = paths[n] ?? ''
    if (!force && existsSync(path) && readFileSync(path, 'utf8') !== text) throw new BaselineExistsError(path)
  })
  mkdirSync(directory, { recursive: true })
  files.forEach(({ text }, n) => writeFileSync(paths[n] ?? '', text))
  return paths
}

/** Behind the last file: `V001_1__data.sql`. */
function dataName(files: readonly BaselineFile[]): string {
  const version = /^V(\d+)__/.exec(files.at(-1)?.name ?? '')?.[1] ?? '001'
  return `V${version}_1__data.sql`
}

function tablesWithNewTenant({ additions, dump, plain, catalog }: Baseline, tenantColumn: string): string[] {
  const withRows = new Set(dump.data.map(({ name }) => name.replaceAll('"', '')))
  const added = new Set(additions.map(({ object }) => object))
  return [...plain.tables.keys()].filter((name) => {
    const top = catalog.tables.get(name)?.partitionOf ?? name
    return (
      withRows.has(name) && (added.has(`column ${name}.${tenantColumn}`) || added.has(`column ${top}.${tenantColumn}`))
    )
  })
}

async function prove(context: Context, made: Baseline, plain: Baseline, dataFile: string | null): Promise<Proof> {
  const { options, progress, signal } = context
  const shared = {
    plain,
    schemas: options.list('schema'),
    data: dataFile === null ? undefined : readFileSync(dataFile, 'utf8'),
    signal,
    onProgress: progress,
  }
  const given = options.text('server')
  if (given !== undefined) return proveBaseline(made, { ...shared, server: given })
  return withTemporaryServer({ onProgress: progress }, (server) =>
    proveBaseline(made, { ...shared, server: server.url() }),
  )
}

async function adoptAt(
  { announce, options, signal, progress }: Context,
  url: string,
  plain: Baseline,
  { directory, historyTable }: { readonly directory: string; readonly historyTable: string | undefined },
): Promise<{ readonly target: Target } & Awaited<ReturnType<typeof adoptDatabase>>> {
  const db = connect(url, { applicationName: 'imhotep', max: 1 })
  let target: Target
  try {
    target = toTarget(url, await readEnvironment(db))
  } finally {
    await db.close()
  }
  announce(target)
  const last = plain.files.at(-1)?.name ?? ''
  const adopted = await adoptDatabase(url, /^V(\d+)__/.exec(last)?.[1] ?? '001', plain, {
    directory,
    historyTable,
    force: options.flag('force'),
    owner: options.text('owner') as MakeBaselineOptions['owner'],
    grants: options.text('grants') as MakeBaselineOptions['grants'],
    schemas: options.list('schema'),
    signal,
    onProgress: progress,
  })
  return { target, ...adopted }
}
