import { expect, test } from "vitest";
import { PAGES, routeOf, routeOfMlflow } from "./routes";

test.each([
  ["/", { page: "home" }],
  ["/experiments/", { page: "home" }],
  ["/experiments/a%2Fb%20c", { page: "runs", experiment: "a/b c" }],
  ["/runs", { page: "runs", experiment: null }],
  ["/runs/abc", { page: "run", id: "abc" }],
  ["/models/50%", { page: "model", name: "50%" }],
  ["/compare", { page: "compare" }],
  ["/settings/x", { page: "unknown" }],
  ["/runs/a/b", { page: "unknown" }],
  ["/nowhere", { page: "unknown" }],
])("%s shows %j", (path, route) => {
  expect(routeOf(path)).toEqual(route);
});

test.each([
  ["#/experiments/1/runs/ab12", { path: "/runs/ab12" }],
  ["#/experiments/1/runs/ab12/artifacts", { path: "/runs/ab12" }],
  ["#/experiments/0", { experimentId: "0" }],
  ["#/experiments/7?searchFilter=x", { experimentId: "7" }],
  ["#/models/iris%20net/versions/2", { path: "/models/iris%20net" }],
  ["#/models", { path: "/models" }],
  ["#/", { path: "/" }],
  ["#main", null],
  ["", null],
])("MLflow's address %s is %j", (hash, route) => {
  expect(routeOfMlflow(hash)).toEqual(route);
});

test("every page of the menu holds its own address, and no address two", () => {
  for (const page of PAGES)
    expect(PAGES.filter((one) => one.holds(routeOf(page.href))).map((one) => one.href)).toEqual([page.href]);
});
