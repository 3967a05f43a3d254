/** Where clients find the tables of a service. Whoever gets IMH01 reads it again. */
export interface Routes {
  /** Clients use the service's own database from now on, or with `shared` the shared one again. Twice is once. */
  set(service: string, where: 'own' | 'shared'): Promise<void>
}
