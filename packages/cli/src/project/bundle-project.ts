import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { bundleModules, planModules, readModules } from '@imhotep/engine'
import type { BundleData } from '../output/bundle.ts'
import type { Project } from './project.ts'
import { selectedNames, type Selection } from './selected-modules.ts'

/** The first migration of every project: the whole schema. */
export const BUNDLE_FILE = 'V001__complete_hims_schema.sql'

export interface BundleOptions {
  /** Directory that `out` is relative to. */
  readonly cwd: string
  /** Compares instead of writing. */
  readonly check: boolean
  /** Default: the first file of the project's migrations. */
  readonly out?: string | undefined
  readonly selection: Selection
}

/** Builds the script of a selection of modules, and writes it or compares it with the file that is there. */
export async function bundleProject(project: Project, options: BundleOptions): Promise<BundleData> {
  const select = await selectedNames(project, options.selection)
  const modules = await readModules(project.modules)
  const plan = await planModules(modules, select === undefined ? {} : { select: [...select] })

  const text = bundleModules(plan)
  const file = options.out === undefined ? join(project.migrations, BUNDLE_FILE) : resolve(options.cwd, options.out)

  const current = existsSync(file) ? readFileSync(file, 'utf8') : null
  const isSame = current === text
  if (!isSame && !options.check) replaceFile(file, text)
  return {
    file: relative(options.cwd, file) || file,
    state: options.check ? (isSame ? 'fresh' : 'stale') : isSame ? 'unchanged' : 'written',
    modules: plan.modules.map(({ name }) => name),
    added: plan.added,
    lines: text.split('\n').length - 1,
    bytes: Buffer.byteLength(text),
    leftOut: plan.leftOut.length,
    differsAtLine: isSame ? null : firstDifference(current ?? '', text),
  }
}

/** Killed at any moment, the old or the new file is there, whole. */
export function replaceFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  const partial = `${file}.partial-${process.pid}`
  writeFileSync(partial, text)
  renameSync(partial, file)
}

/** Number of the first line that differs, counted from 1. */
export function firstDifference(a: string, b: string): number {
  const [left, right] = [a.split('\n'), b.split('\n')]
  const at = left.findIndex((line, index) => line !== right[index])
  return (at === -1 ? left.length : at) + 1
}
