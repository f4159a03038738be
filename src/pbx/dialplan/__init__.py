"""The dialplan: routes, conditions and steps; maps the outcomes of applications to the next step."""
