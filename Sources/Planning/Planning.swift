// Planning: an agent's goal, pursued in durable steps.
//
// A plan is the fold of its commands in the replicated log and of the results of its tasks. Each
// step is two tasks of the mesh, whose ids follow from the plan and the step:
//
//   propose  the planner model, under a JSON schema, says which tool it calls with what
//   act      the tool runs
//
//   PlanOpened ─▶ (propose task ─▶ PlanAdvanced ─▶ act task)* ─▶ PlanClosed
//
// `PlanTable.next` is a function of the table: what a coordinator must append now. A successor
// that holds the same table says the same, under the same ids, so nothing is done twice and a
// coordinator may die between any two entries.
//
// What the model says is never edited. It is read strictly; what cannot be read, and what a tool
// answers or fails with, becomes the step's observation, which the next proposal sees. The end is
// decided here and not by the model's good will (AutoGen issues 581 and 7409 are why):
//
//   - a plan with something to look at must look before it answers;
//   - a call that repeats an earlier one ends the looking: only `finish` is left to propose;
//   - in the last step of the budget only `finish` is left;
//   - two proposals in a row that failed as tasks close the plan.
//
//   file            what
//   PlanTable       the door: judge, apply, next
//   Plan, PlanStep  one plan
//   ToolCall        what a planner may call: reading it, its schema
//   PlanPrompt      what the planner model is shown
