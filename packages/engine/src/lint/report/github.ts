import type { Finding } from '../../verify/finding.ts'

const COMMANDS = { error: 'error', warning: 'warning', info: 'notice' } as const

/** Workflow commands: GitHub shows each beside its line in the pull request. */
export function lintGithub(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, file, line, column, rule, message, related, help }) => {
    const place = file === null ? '' : ` file=${property(file)},line=${line},col=${column},title=${property(rule)}`
    const ends = related.map((end) => `\n${end.file}:${end.line}: ${end.message}`).join('')
    return `::${COMMANDS[severity]}${place}::${data(`${message}${ends}\n${help}`)}`
  })
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
