/** The operations of schema/fhir that an application may call. */
export const fhirOperations = {} as const
