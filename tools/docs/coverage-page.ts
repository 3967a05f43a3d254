import type { Catalog } from '@imhotep/engine'
import { sections as allSections, type Section } from './coverage/index.ts'
import type { Requirement } from './coverage/requirement.ts'
import { findObject } from './coverage/find-object.ts'
import { findTitle } from './coverage/find-title.ts'

const STATES = ['built', 'partly', 'later'] as const

/**
 * docs/reference/coverage.md: each requirement with what there is for it and the tests that show it.
 * @throws Error that lists every object and test that does not exist, and every id that is missing or told twice.
 */
export function coveragePage(root: string, catalog: Catalog, sections: readonly Section[] = allSections): string {
  const problems = sections.flatMap(problemsOfIds)
  const texts = sections.map((section) => sectionText(root, catalog, section, problems))
  if (problems.length > 0) throw new Error(`coverage:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  return `# Coverage of the requirements

<!-- Written by npm run docs from tools/docs/coverage; do not edit. -->

What is asked for, what there is for it, and the tests that show it. Writing this page fails when an object or a test that
it names does not exist. _partly_ says what is missing; _later_ means that it cannot be used yet.

| | ${STATES.join(' | ')} |
| --- | --- | --- | --- |
${sections.map(countsLine).join('\n')}

${texts.join('\n\n')}
`
}

function problemsOfIds({ prefix, count, requirements }: Section): string[] {
  const ids = requirements.map(({ id }) => id)
  const wanted = Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
  return [
    ...wanted.filter((id) => !ids.includes(id)).map((id) => `${id} is missing`),
    ...ids.filter((id) => !wanted.includes(id)).map((id) => `${id} is not on the list`),
    ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${id} is told twice`),
  ]
}

function countsLine({ title, requirements }: Section): string {
  const cells = STATES.map((wanted) => {
    const ids = requirements.filter(({ state }) => state === wanted).map(({ id }) => id)
    return ids.length === 0 ? '0' : `${ids.length}: ${ids.map((id) => `[${id}](#${id.toLowerCase()})`).join(' ')}`
  })
  return `| ${title} | ${cells.join(' | ')} |`
}

function sectionText(root: string, catalog: Catalog, section: Section, problems: string[]): string {
  const parts = section.requirements.map((requirement) => requirementText(root, catalog, requirement, problems))
  return [`## ${section.title}`, ...parts].join('\n\n')
}

function requirementText(root: string, catalog: Catalog, requirement: Requirement, problems: string[]): string {
  const { id, asks, state, objects = [], tests = {} } = requirement
  if (state === 'built' && (objects.length === 0 || Object.keys(tests).length === 0))
    problems.push(`${id} is called built without objects or without tests`)

  const links = objects.map((name) => {
    const link = findObject(root, catalog, name)
    if (link === null) problems.push(`${id}: there is no ${name}`)
    return link ?? name
  })
  const shown = Object.entries(tests).map(([file, parts]) => {
    const titles = parts.map((part) => {
      const title = findTitle(root, file, part)
      if (title === null) problems.push(`${id}: no test of ${file} has '${part}' in its title`)
      return `“${title ?? part}”`
    })
    return `  - [${file}](../../${file}): ${titles.join(', ')}`
  })

  const lines = [`**${state}**: ${asks}.`]
  if (state !== 'built') lines.push(`- missing: ${requirement.missing}`)
  else if (requirement.note !== undefined) lines.push(`- note: ${requirement.note}`)
  if (links.length > 0) lines.push(`- ${state === 'later' ? 'there already' : 'what there is'}: ${links.join(', ')}`)
  if (shown.length > 0) lines.push('- shown by:', ...shown)
  return `### ${id}\n\n${lines[0]}\n\n${lines.slice(1).join('\n')}`
}
