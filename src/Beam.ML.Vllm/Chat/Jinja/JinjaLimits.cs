namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Bounds what one rendering may do, so that a hostile template ends in an error.</summary>
internal sealed class JinjaLimits(CancellationToken cancellationToken)
{
    /// <summary>The longest text, in UTF-16 code units.</summary>
    public const int MaxText = 64 << 20;

    /// <summary>The longest list that a template can make.</summary>
    public const int MaxItems = 1 << 20;

    /// <summary>The longest range, as in Jinja's sandbox.</summary>
    public const int MaxRange = 100_000;

    private const long MaxSteps = 20_000_000;
    private const long MaxMade = 512L << 20;
    private const int MaxDepth = 400;

    private long _steps;
    private long _made;
    private int _depth;

    public static ChatTemplateException TextTooLong => new($"the text grows beyond {MaxText} characters");

    /// <summary>Counts an evaluation.</summary>
    public void Step()
    {
        if ((_steps & 0xFFF) == 0) cancellationToken.ThrowIfCancellationRequested();
        if (++_steps > MaxSteps) throw new ChatTemplateException($"the template takes more than {MaxSteps} steps");
    }

    public void Enter()
    {
        if (++_depth > MaxDepth || !System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ChatTemplateException("the template calls itself too deeply");
    }

    public void Leave() => _depth--;

    /// <summary>Checks the size of a text that is about to be made, and counts it.</summary>
    public void Make(long length)
    {
        if (length > MaxText) throw TextTooLong;
        if ((_made += length) > MaxMade) throw new ChatTemplateException("the template makes too much text");
    }

    /// <summary>Counts going through a value once.</summary>
    public void Charge(object value)
    {
        switch (value)
        {
            case string text: Make(text.Length); break;
            case List<object> list: MakeItems(list.Count); break;
            case JinjaTuple tuple: MakeItems(tuple.Items.Count); break;
            case JinjaDict dict: MakeItems(dict.Count); break;
        }
    }

    /// <summary>Checks the size of a list that is about to be made, and counts it.</summary>
    public void MakeItems(long count)
    {
        if (count > MaxItems) throw new ChatTemplateException($"a list grows beyond {MaxItems} items");
        if ((_steps += count / 8) > MaxSteps) throw new ChatTemplateException($"the template takes more than {MaxSteps} steps");
    }
}
