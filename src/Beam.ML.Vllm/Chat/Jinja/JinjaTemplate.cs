namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>A parsed template.</summary>
internal sealed class JinjaTemplate
{
    private readonly Statement[] _body;

    private JinjaTemplate(Statement[] body) => _body = body;

    /// <exception cref="ChatTemplateException">The source is malformed.</exception>
    public static JinjaTemplate Parse(string source) => new(JinjaParser.Parse(source));

    /// <exception cref="ChatTemplateException">The template raised an error, or went wrong.</exception>
    /// <exception cref="OperationCanceledException">The limits' token was canceled.</exception>
    public string Render(IReadOnlyDictionary<string, object> variables, TimeProvider time, JinjaLimits limits)
    {
        var globals = new JinjaScope(null);
        foreach (var (name, function) in JinjaGlobals.Create(time)) globals.Set(name, function);
        var scope = new JinjaScope(globals);
        foreach (var (name, value) in variables) scope.Set(name, value);
        var output = new JinjaText(limits);
        new JinjaInterpreter(limits).Run(_body, scope, output);
        return output.ToString();
    }
}
