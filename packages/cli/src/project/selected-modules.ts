import { UsageError } from '@imhotep/base'
import { readModules, readPresets, selectModules, type Module } from '@imhotep/engine'
import type { OptionSpec } from '../command.ts'
import type { Context } from '../context.ts'
import type { Project } from './project.ts'

/** Which modules: by name or by preset; neither means what the project's configuration says. */
export interface Selection {
  readonly modules?: readonly string[] | undefined
  readonly preset?: string | undefined
}

export const selectionOptions: readonly OptionSpec[] = [
  { flags: '--modules <names>', description: 'only these, separated by commas, and what they require' },
  { flags: '--preset <name>', description: 'a named list of modules: clinic, hospital' },
]

/** @throws UsageError when both a list and a preset are given */
export function selectionOf({ options }: Context): Selection {
  const preset = options.text('preset')
  const modules = options
    .text('modules')
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  if (preset !== undefined && modules !== undefined) {
    throw new UsageError("'--modules' and '--preset' exclude each other", { hint: 'give one of them' })
  }
  return { modules, preset }
}

/**
 * The names that a selection stands for, undefined for all modules. Without a selection the project decides.
 * @throws UsageError for a preset that schema/presets.json does not have
 */
export async function selectedNames(
  project: Project,
  selection: Selection = {},
): Promise<readonly string[] | undefined> {
  const isGiven = selection.modules !== undefined || selection.preset !== undefined
  const { modules, preset } = isGiven ? selection : project.config
  if (modules !== undefined) return modules
  if (preset === undefined) return undefined
  const presets = await readPresets(project.modules)
  const names = presets[preset]
  if (names !== undefined) return names
  throw new UsageError(`unknown preset '${preset}'`, { hint: `choose one of ${Object.keys(presets).join(', ')}` })
}

/** The modules of a project with everything they require, in dependency order. */
export async function readSelectedModules(project: Project, selection: Selection = {}): Promise<Module[]> {
  return selectModules(await readModules(project.modules), [...((await selectedNames(project, selection)) ?? ['*'])])
    .modules
}
