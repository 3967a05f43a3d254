/** The statements with every trigger off, as after a restore gone wrong or a hand in the tables; then triggers are on again. */
export function withoutTriggers(...statements: readonly string[]): string {
  return ['set local session_replication_role = replica', ...statements, 'set local session_replication_role = origin']
    .map((statement) => `${statement};`)
    .join('\n')
}
