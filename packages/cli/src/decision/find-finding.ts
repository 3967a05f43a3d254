import { dirname } from 'node:path'
import { excerpts, lintFiles, lintRules, planKnexSources, type FindingFacts } from '@imhotep/engine'
import { DecisionInputError } from '../errors.ts'
import { readLintInputs } from '../lint/lint-inputs.ts'
import { configAround } from '../project/project.ts'

/**
 * The finding that `imhotep lint` reports as `file:line`, by `rule@file:line`. The whole directory of the file is judged,
 * as lint does.
 * @throws DecisionInputError when there is no such finding
 */
export async function findFinding(place: string, cwd: string): Promise<Omit<FindingFacts, 'tables'>> {
  const [, rule, file, line] = /^([a-z0-9-]+)@(.+):(\d+)$/.exec(place) ?? []
  if (rule === undefined || file === undefined) {
    throw new DecisionInputError(place, 'is not rule@file:line', 'write it as: --from-finding RULE@FILE:LINE')
  }
  const { placeholders } = configAround(cwd)
  const { sources } = readLintInputs([dirname(file)], cwd)
  const planned = await planKnexSources(sources, cwd)
  const report = planned.atSource(await lintFiles(planned.sources, { rules: lintRules, placeholders }))
  const inFile = report.findings.filter((finding) => finding.file === file.replace(/^\.\//, ''))
  const finding = inFile.find((one) => one.rule === rule && one.line === Number(line))
  if (!finding) throw notFound(place, inFile)
  return {
    kind: 'finding',
    finding,
    effect: lintRules.find(({ id }) => id === rule)?.effect ?? finding.message,
    excerpt: excerpts([finding], report.texts)[0] ?? null,
  }
}

function notFound(place: string, inFile: readonly { readonly rule: string; readonly line: number | null }[]): Error {
  const there = inFile.slice(0, 5).map(({ rule, line }) => `${rule} in line ${line}`)
  const hint = there.length === 0 ? 'see: imhotep lint' : `in this file there are: ${there.join(', ')}`
  return new DecisionInputError(place, 'is not what imhotep lint finds', hint)
}
