"""`kesc plan`: what a build will yield, take and cost, forecast from a pilot or an earlier build."""
