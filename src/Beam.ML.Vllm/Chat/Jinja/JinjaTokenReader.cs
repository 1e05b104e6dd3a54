using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The tokens of a template, one at a time.</summary>
internal sealed class JinjaTokenReader(List<JinjaToken> tokens)
{
    private const int MaxDepth = 150;
    private int _next;
    private int _depth;

    public JinjaToken Current => tokens[_next];

    public JinjaToken Peek => tokens[Math.Min(_next + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    public JinjaToken Take() => Current.Kind == TokenKind.End ? Current : tokens[_next++];

    public bool IsOperator(string op) => Current.Kind == TokenKind.Operator && Current.Text == op;

    public bool IsName(string name) => Current.Kind == TokenKind.Name && Current.Text == name;

    public bool TryOperator(string op)
    {
        if (!IsOperator(op)) return false;
        _next++;
        return true;
    }

    public bool TryName(string name)
    {
        if (!IsName(name)) return false;
        _next++;
        return true;
    }

    public void ExpectOperator(string op)
    {
        if (!TryOperator(op)) throw Unexpected($"'{op}'");
    }

    public string ExpectName() => Current.Kind == TokenKind.Name ? Take().Text : throw Unexpected("a name");

    public void ExpectKind(TokenKind kind, string what)
    {
        if (Current.Kind != kind) throw Unexpected(what);
        _next++;
    }

    public ChatTemplateException Unexpected(string expected) => new($"line {Line}: expected {expected}, got {Current.Kind switch
    {
        TokenKind.End => "the end of the template",
        TokenKind.OutputEnd or TokenKind.BlockEnd => "the end of the tag",
        TokenKind.Text => "text",
        _ => $"'{Current.Text}'",
    }}.");

    public void Enter()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new ChatTemplateException($"line {Line}: nested too deeply.");
    }

    public void Leave() => _depth--;
}
