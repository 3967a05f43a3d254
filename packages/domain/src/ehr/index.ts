// Wrappers of the operations of schema/ehr.
export {}
