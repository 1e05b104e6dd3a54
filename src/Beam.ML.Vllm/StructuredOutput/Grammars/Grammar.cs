namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Rules, of which one is the whole text.</summary>
internal sealed class Grammar
{
    private readonly List<(string Name, Expr? Body)> _rules = [];
    private readonly Dictionary<string, int> _byName = new(StringComparer.Ordinal);

    /// <summary>The rule that the whole text follows.</summary>
    public int Root { get; set; }

    public int Count => _rules.Count;

    /// <summary>A grammar of one rule.</summary>
    public static Grammar Of(Expr body)
    {
        var grammar = new Grammar();
        grammar.Define(grammar.Declare("root"), body);
        return grammar;
    }

    public int Declare(string name)
    {
        if (_rules.Count == Limits.Rules) throw Limits.TooLarge($"{Limits.Rules} rules");
        _rules.Add((name, null));
        return _rules.Count - 1;
    }

    /// <summary>The rule that a grammar's text calls by this name, declared where it is named first.</summary>
    public int RuleOf(string name)
    {
        if (!_byName.TryGetValue(name, out var rule)) _byName.Add(name, rule = Declare(name));
        return rule;
    }

    public void Define(int rule, Expr body) => _rules[rule] = (_rules[rule].Name, body);

    /// <summary>A new rule of this body.</summary>
    public Expr Add(string name, Expr body)
    {
        var rule = Declare(name);
        Define(rule, body);
        return new RuleExpr(rule);
    }

    public string NameOf(int rule) => _rules[rule].Name;

    public bool IsDefined(int rule) => _rules[rule].Body is not null;

    public Expr BodyOf(int rule) => _rules[rule].Body ?? throw new StructuredOutputException($"The grammar uses the rule '{_rules[rule].Name}' and does not define it.");
}
