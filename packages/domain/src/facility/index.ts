// Wrappers of the operations of schema/facility.
export {}
