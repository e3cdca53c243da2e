export function runScenario(
  emerge: object, connect: () => Promise<object>, define: (emerge: object) => object, scenario: object, base: string,
): Promise<{ passed: number; failed: string[] }>;
