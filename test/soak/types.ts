/** One line of the proof: a fault, what the rules ask for, what was answered, and what is on disk and at the peers after it. */
export interface Row {
  readonly fault: string;
  readonly asked: string;
  readonly answered: string;
  readonly left: string;
}

export interface Report {
  readonly name: string;
  readonly rows: readonly Row[];
  /** What is not as asked, in words; empty where everything holds. */
  readonly breaches: readonly string[];
}

export interface Plan {
  /** Few of everything, as `npm test` runs it. */
  readonly short: boolean;
  /** Of the random source; the same seed draws the same moments. */
  readonly seed: number;
  /** Of the soak alone. */
  readonly messages: number;
  readonly associations: number;
  readonly minutes: number;
}

export type Scenario = (plan: Plan) => Promise<Report>;
