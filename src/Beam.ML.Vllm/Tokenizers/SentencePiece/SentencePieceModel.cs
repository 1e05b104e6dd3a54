using System.Text;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

internal enum PieceType : byte { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 }

internal enum SentencePieceAlgorithm { Unigram = 1, Bpe = 2, Word = 3, Char = 4 }

/// <summary>The content of a <c>tokenizer.model</c>: pieces and settings, as sentencepiece_model.proto lays them out.</summary>
internal sealed class SentencePieceModel
{
    private const long MaxBytes = 512L << 20;

    public TokenTable Pieces { get; } = new();
    public List<float> Scores { get; } = [];
    public List<PieceType> Types { get; } = [];
    public SentencePieceAlgorithm Algorithm { get; private set; } = SentencePieceAlgorithm.Unigram;
    public bool ByteFallback { get; private set; }
    public bool TreatWhitespaceAsSuffix { get; private set; }
    public string UnkSurface { get; private set; } = " ⁇ ";
    public string? BosPiece { get; private set; } = "<s>";
    public string? EosPiece { get; private set; } = "</s>";
    public string? PadPiece { get; private set; } = "<pad>";
    public bool AddDummyPrefix { get; private set; } = true;
    public bool RemoveExtraWhitespaces { get; private set; } = true;
    public bool EscapeWhitespaces { get; private set; } = true;
    public byte[] PrecompiledCharsMap { get; private set; } = [];
    public int UnkId { get; private set; } = -1;

    /// <summary>The id of the piece <c>&lt;0xNN&gt;</c> for each byte; null unless all 256 are there.</summary>
    public int[]? ByteIds { get; private set; }

    /// <summary>The byte that a piece of type <see cref="PieceType.Byte"/> stands for.</summary>
    public Dictionary<int, byte> ByteOf { get; } = [];

    public int Count => Types.Count;

    public static SentencePieceModel Load(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MaxBytes) throw new FormatException($"it is larger than {MaxBytes >> 20} MiB");
            return Parse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException or TokenizerException)
        {
            throw new TokenizerException($"'{path}' is not a SentencePiece model: {e.Message}", e);
        }
    }

    public static SentencePieceModel Parse(ReadOnlySpan<byte> file)
    {
        var model = new SentencePieceModel();
        var reader = new ProtoReader(file);
        while (reader.Read())
            switch (reader.Field)
            {
                case 1: model.ReadPiece(reader.Bytes); break;
                case 2: model.ReadTrainer(reader.Bytes); break;
                case 3: model.ReadNormalizer(reader.Bytes); break;
            }
        model.Complete();
        return model;
    }

    private void ReadPiece(ReadOnlySpan<byte> message)
    {
        var (score, type) = (0f, PieceType.Normal);
        ReadOnlySpan<byte> piece = default;
        var reader = new ProtoReader(message);
        while (reader.Read())
            switch (reader.Field)
            {
                case 1: piece = reader.Bytes; break;
                case 2: score = reader.Float; break;
                case 3: type = (PieceType)Math.Min(reader.Varint, 255); break;
            }
        var id = Count;
        if (piece.IsEmpty) throw new FormatException($"piece {id} is empty");
        if (!Utf8.IsValid(piece)) throw new FormatException($"piece {id} is not UTF-8");
        if (!Enum.IsDefined(type)) throw new FormatException($"piece {id} is of the unknown type {(int)type}");
        if (!float.IsFinite(score)) throw new FormatException($"piece {id} has a score that is not a number");
        if (type == PieceType.Unknown)
        {
            if (UnkId >= 0) throw new FormatException($"pieces {UnkId} and {id} both stand for the unknown");
            UnkId = id;
        }
        if (!Pieces.Add(id, piece)) throw new FormatException($"piece {id} is there twice");
        Scores.Add(score);
        Types.Add(type);
    }

    private void ReadTrainer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        while (reader.Read())
            switch (reader.Field)
            {
                case 3: Algorithm = (SentencePieceAlgorithm)Math.Min(reader.Varint, 255); break;
                case 24: TreatWhitespaceAsSuffix = reader.Varint != 0; break;
                case 35: ByteFallback = reader.Varint != 0; break;
                case 44: UnkSurface = Encoding.UTF8.GetString(reader.Bytes); break;
                case 46: BosPiece = Encoding.UTF8.GetString(reader.Bytes); break;
                case 47: EosPiece = Encoding.UTF8.GetString(reader.Bytes); break;
                case 48: PadPiece = Encoding.UTF8.GetString(reader.Bytes); break;
            }
    }

    private void ReadNormalizer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        while (reader.Read())
            switch (reader.Field)
            {
                case 2: PrecompiledCharsMap = reader.Bytes.ToArray(); break;
                case 3: AddDummyPrefix = reader.Varint != 0; break;
                case 4: RemoveExtraWhitespaces = reader.Varint != 0; break;
                case 5: EscapeWhitespaces = reader.Varint != 0; break;
            }
    }

    private void Complete()
    {
        if (Count == 0) throw new FormatException("it has no pieces");
        if (UnkId < 0) throw new FormatException("it has no piece for the unknown");
        if (!Enum.IsDefined(Algorithm)) throw new FormatException($"its algorithm {(int)Algorithm} is unknown");
        if (Algorithm is SentencePieceAlgorithm.Word or SentencePieceAlgorithm.Char)
            throw new FormatException($"its algorithm '{Algorithm}' is not supported: expected unigram or BPE");
        for (var id = 0; id < Count; id++)
            if (Types[id] == PieceType.Byte) ByteOf[id] = ParseByte(id);
        if (!ByteFallback) return;
        var ids = new int[256];
        ids.AsSpan().Fill(-1);
        foreach (var (id, value) in ByteOf) ids[value] = id;
        if (ids.Contains(-1)) throw new FormatException("it falls back to bytes but lacks pieces for some of them");
        ByteIds = ids;
    }

    private byte ParseByte(int id)
    {
        var piece = Pieces[id];
        return piece.Length == 6 && piece.StartsWith("<0x"u8) && piece[5] == '>' &&
            System.Buffers.Text.Utf8Parser.TryParse(piece[3..5], out byte value, out var used, 'X') && used == 2
            ? value
            : throw new FormatException($"piece {id} is of type byte but not written <0xNN>");
    }
}
