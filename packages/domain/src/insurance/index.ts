// Wrappers of the operations of schema/insurance.
export {}
