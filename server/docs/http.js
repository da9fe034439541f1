// Shows the OpenAPI document. Nothing is asked of anybody else: not even whether the document is valid.
const { SwaggerUIBundle } = globalThis;

SwaggerUIBundle({
  url: "docs/openapi.json",
  dom_id: "#document",
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
});
