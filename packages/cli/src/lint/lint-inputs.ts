import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import { migrationsAmong, type Finding, type LintSource } from '@imhotep/engine'
import { LintInputError } from '../errors.ts'
import { findProject } from '../project/project.ts'

export interface LintInputs {
  readonly sources: LintSource[]
  /** False for single files: what they refer to may exist without them. */
  readonly complete: boolean
}

/**
 * The SQL and Knex files below the paths, by default those of the project's migrations. Paths are told relative to `cwd`.
 * @throws LintInputError for a path that is not there, or without a file
 */
export function readLintInputs(paths: readonly string[], cwd: string): LintInputs {
  const chosen = paths.length > 0 ? paths.map((path) => resolve(cwd, path)) : [findProject(cwd).migrations]
  const missing = chosen.find((path) => !existsSync(path))
  if (missing !== undefined) throw new LintInputError(show(missing, cwd), 'is not there')
  const files = chosen.flatMap((path) => (statSync(path).isDirectory() ? migrationsOf(path) : [path]))
  if (files.length === 0) throw new LintInputError(chosen.map((path) => show(path, cwd)).join(', '), 'has no migration')
  const sources = files.map((file) => ({ path: show(file, cwd), text: readFileSync(file, 'utf8') }))
  return { sources, complete: chosen.some((path) => statSync(path).isDirectory()) }
}

function migrationsOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return migrationsAmong(names.filter((name) => !name.split(sep).includes('node_modules')))
    .toSorted()
    .map((name) => join(directory, name))
}

function show(path: string, cwd: string): string {
  return (relative(cwd, path) || '.').split(sep).join('/')
}

/**
 * Which files are unchanged since a revision of git.
 * @throws LintInputError when git does not know the revision
 */
export async function appliedSince(
  revision: string,
  inputs: LintInputs,
  cwd: string,
): Promise<{ isApplied: (file: string) => boolean }> {
  const { changed, prefix } = await changedFiles(revision, inputs, cwd)
  return { isApplied: (file) => !changed.has(posix.join(prefix, file)) }
}

/** Named from the top of the repository, as git does: files may lie outside of `cwd`, whose own place is `prefix`. */
async function changedFiles(
  revision: string,
  { sources }: LintInputs,
  cwd: string,
): Promise<{ readonly changed: ReadonlySet<string>; readonly prefix: string }> {
  const git = async (...args: string[]) => {
    return (await runGit(args, cwd)).split('\0').filter((name) => name !== '')
  }
  const directories = [...new Set(sources.map(({ path }) => dirname(path)))]
  try {
    const prefix = await prefixIn(cwd)
    const tracked = await git('diff', '--name-only', '--no-relative', '-z', revision, '--', ...directories)
    const untracked = await git('ls-files', '--others', '--full-name', '--exclude-standard', '-z', '--', ...directories)
    return { changed: new Set([...tracked, ...untracked]), prefix }
  } catch (cause) {
    throw new LintInputError(revision, 'is neither a version nor a revision that git knows here', { cause })
  }
}

/** Findings for programs that name files from the top of the repository; as they are where there is none. */
export async function namedFromTop(findings: readonly Finding[], cwd: string): Promise<Finding[]> {
  const prefix = await prefixIn(cwd).catch(() => '')
  const named = (file: string) => posix.join(prefix, file)
  return findings.map((finding) => ({
    ...finding,
    file: finding.file === null ? null : named(finding.file),
    related: finding.related.map((end) => ({ ...end, file: named(end.file) })),
  }))
}

/** The place of a directory in its repository: `service/`. */
async function prefixIn(cwd: string): Promise<string> {
  return (await runGit(['rev-parse', '--show-prefix'], cwd)).replace(/\n$/, '')
}

async function runGit(args: string[], cwd: string): Promise<string> {
  const { stdout } = await promisify(execFile)('git', args, { cwd, maxBuffer: 64 * 2 ** 20 })
  return stdout
}
