import { catalogRules, isVersion, lintRules, type LintOptions, type LintRule, type Rule } from '@imhotep/engine'
import type { Options } from '../context.ts'
import { UnknownRuleError } from '../errors.ts'
import type { Config, LintConfig } from '../project/config.ts'
import { placeholderValues } from '../project/placeholders.ts'
import { projectPolicy } from '../project/project-policy.ts'
import { appliedSince, type LintInputs } from './lint-inputs.ts'

/**
 * What the options of the command say, and where they are silent the config file of the project.
 * @throws UnknownRuleError, LintInputError
 */
export async function lintSettings(
  config: Config,
  options: Options,
  inputs: LintInputs,
  cwd: string,
): Promise<LintOptions> {
  const own = config.lint ?? {}
  const schema = options.text('schema')
  return {
    ...chooseRules(own, options),
    severities: own.rules ?? {},
    complete: inputs.complete,
    serverVersion: Number(options.text('postgres') ?? own.serverVersion ?? 18),
    policy: projectPolicy(config),
    placeholders: placeholderValues(config.placeholders, options),
    ...(schema === undefined ? {} : { searchPath: [schema, 'public'] }),
    ...(await appliedFiles(own, options, inputs, cwd)),
  }
}

function chooseRules(
  { profile, rules = {} }: LintConfig,
  options: Options,
): { rules: LintRule[]; catalogRules: Rule[] } {
  const only = namesIn(options.text('only'))
  const off = [...(namesIn(options.text('off')) ?? []), ...Object.keys(rules).filter((id) => rules[id] === 'off')]
  const known = new Set([...lintRules, ...catalogRules].map(({ id }) => id))
  const unknown = [...(only ?? []), ...off, ...Object.keys(rules)].find((id) => !known.has(id))
  if (unknown !== undefined) throw new UnknownRuleError(unknown)
  const isAll = (options.text('profile') ?? profile) === 'all'
  const isChosen = ({ id, profile: own }: { readonly id: string; readonly profile?: string }) =>
    only ? only.includes(id) : (isAll || own !== 'style' || id in rules) && !off.includes(id)
  return { rules: lintRules.filter(isChosen), catalogRules: catalogRules.filter(isChosen) }
}

function namesIn(list: string | undefined): string[] | undefined {
  return list?.split(',').map((name) => name.trim())
}

async function appliedFiles(
  { since: configured, ignore = [] }: LintConfig,
  options: Options,
  inputs: LintInputs,
  cwd: string,
): Promise<Pick<LintOptions, 'since' | 'isApplied' | 'isIgnored'>> {
  const text = options.text('since') ?? configured
  const since = text?.replace(/^V(?=\d)/, '')
  const applied = since === undefined ? {} : isVersion(since) ? { since } : await appliedSince(since, inputs, cwd)
  if (ignore.length === 0) return applied
  const patterns = ignore.map(globPattern)
  return { ...applied, isIgnored: (file: string) => patterns.some((pattern) => pattern.test(file)) }
}

/** `*` stands for any text. */
function globPattern(glob: string): RegExp {
  return new RegExp(
    `^${glob
      .split('*')
      .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  )
}
